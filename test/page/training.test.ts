import { describe, expect, it, test } from 'vitest';
import { renderTraining } from '../../activities/publish/report/training/render-training.tsx';
import { TrainResultsSchema } from '../../core/config/train-results.ts';
import { hasBrowser, useBrowser } from './browser.ts';
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
  expect(page).toContain('head: 0.5 M parameters');
  expect(page).toContain('npx tessera train probe');
  // The table's own script may say so.
  expect(page.replace(/<script>.*?<\/script>/gs, '')).not.toMatch(/NaN|undefined|\[object/);
});

test('a training without a logged step still has its page', async () => {
  const { results } = await trainingResults();
  const page = renderTraining({ results, records: [], reproduce: [] });
  expect(page.match(/<svg [^>]*class="plot/g)).toHaveLength(1);
});

describe.skipIf(!hasBrowser)('a training’s page in a browser', () => {
  const open = useBrowser();

  it.each([
    [390, 8],
    [1200, 8],
    [390, 1],
    [1200, 1],
  ])(
    'has curves whose words are legible, whole and apart at %i pixels, of %i evaluations',
    async (width, count) => {
      const { results, records } = await trainingResults();
      const evaluations = results.evaluations.slice(-count);
      const config = { ...results.run.config };
      if (count === 1) delete config.reproduces;
      const run = { ...results.run, config };
      const page = renderTraining({ results: { ...results, run, evaluations }, records, reproduce: [] });
      const { page: shown, complaints, foreign } = await open(page, { width });
      expect(await shown.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const charts = await shown.locator('.curve svg').evaluateAll((all) =>
        all.map((svg) => ({
          frame: svg.getBoundingClientRect().toJSON() as DOMRect,
          words: [...svg.querySelectorAll('text')].map(
            (text) => text.getBoundingClientRect().toJSON() as DOMRect,
          ),
        })),
      );
      expect(charts).toHaveLength(4);
      for (const { frame, words } of charts) {
        expect(words.length).toBeGreaterThan(8);
        for (const [i, word] of words.entries()) {
          expect(word.height).toBeGreaterThan(9);
          expect(word.left).toBeGreaterThanOrEqual(frame.left);
          expect(word.right).toBeLessThanOrEqual(frame.right);
          expect(word.bottom).toBeLessThanOrEqual(frame.bottom);
          const overlapping = words.slice(i + 1).filter((other) => overlap(word, other));
          expect(overlapping, `${width} px, word ${i}`).toEqual([]);
        }
      }
      expect(complaints).toEqual([]);
      expect(foreign()).toEqual([]);
      await shown.close();
    },
  );
});

/** Beyond what the boxes of letters have around them. */
function overlap(a: DOMRect, b: DOMRect): boolean {
  const shared = (from: 'left' | 'top', to: 'right' | 'bottom') =>
    Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  return shared('left', 'right') > 0 && shared('top', 'bottom') > 4;
}
