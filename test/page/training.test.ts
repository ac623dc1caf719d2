import { expect, test } from 'vitest';
import { renderTraining } from '../../activities/publish/report/training/render-training.tsx';
import { TrainResultsSchema } from '../../core/config/train-results.ts';
import { trainingResults } from './training-results.ts';

test('a training’s page shows its curves, the original beside them, and where everything lies', async () => {
  const { results, records } = await trainingResults();
  TrainResultsSchema.parse(results);
  const page = renderTraining({ results, records, reproduce: ['npx tessera train probe'] });
  for (const title of ['Loss', 'mIoU', 'Accuracy in training', 'Learning rate'])
    expect(page).toContain(`<b>${title}</b>`);
  expect(page.match(/<svg [^>]*class="plot/g)).toHaveLength(4);
  expect(page).toContain('<b>47.2</b> in the original');
  expect(page).toContain('href="evaluations/step_10000/report.html"');
  expect(page).toContain('href="checkpoints/iter_70000.pth"');
  expect(page).toContain('npx tessera train probe');
  // The table's own script may say so.
  expect(page.replace(/<script>.*?<\/script>/gs, '')).not.toMatch(/NaN|undefined|\[object/);
});

test('a training without a logged step still has its page', async () => {
  const { results } = await trainingResults();
  const page = renderTraining({ results, records: [], reproduce: [] });
  expect(page.match(/<svg [^>]*class="plot/g)).toHaveLength(1);
});
