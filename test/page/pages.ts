import { renderIndex } from '../../activities/publish/index/render-index.tsx';
import { renderComparison } from '../../activities/publish/report/comparison/render-comparison.tsx';
import { renderTraining } from '../../activities/publish/report/training/render-training.tsx';
import { renderTable } from '../../activities/publish/table/render-table.tsx';
import { compareRuns } from '../../core/metric/compare-runs.ts';
import { publishInput } from '../activities/publish/publish-input.ts';
import { comparedRuns } from './comparison.ts';
import { publishedTable } from './published-table.ts';
import { publishedReport } from './report-page.ts';
import { runIndex } from './run-index.ts';
import { trainingResults } from './training-results.ts';

/** Every kind of page that Tessera makes, by its name. */
export const PAGES: Record<string, () => Promise<string>> = {
  evaluation: () => publishedReport(2),
  'partial evaluation': () =>
    publishedReport(1, {
      coverage: { ...publishInput().coverage, images: 1200 },
      partial: {
        images: 1200,
        ofImages: 2000,
        shards: 39,
        ofShards: 64,
        reason: 'The budget of 5 USD is spent',
        ranges: [{ first: 0, count: 1200 }],
      },
    }),
  training: async () => renderTraining({ ...(await trainingResults()), reproduce: ['npx tessera train'] }),
  table: async () => renderTable(await publishedTable()),
  index: async () => renderIndex(runIndex()),
  async comparison() {
    const [a, b] = await comparedRuns();
    return renderComparison(compareRuns(a, [b], { resamples: 300, seed: 1, confidence: 0.95 }));
  },
};
