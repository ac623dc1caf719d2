import { type IndexedRun, IndexSchema, type RunIndex } from '../../core/config/run-index.ts';

const PREFIX = 's3://results/runs';

function indexed(workflowId: string, changes: Partial<IndexedRun> = {}): IndexedRun {
  return {
    kind: 'evaluation',
    workflowId,
    config: 'linear_probing_ade20k',
    dataset: 'ADE20K validation',
    mIoU: 0.4562,
    original: 47.2,
    partial: null,
    finishedAt: '2026-03-01T09:31:40.000Z',
    labels: { team: 'vision' },
    cost: { total: 6.125, currency: 'USD' },
    partOf: null,
    resultsUri: `${PREFIX}/${workflowId}/results.json`,
    pageUri: `${PREFIX}/${workflowId}/report.html`,
    incomplete: null,
    ...changes,
  };
}

/** An index with every kind of row. */
export function runIndex(): RunIndex {
  return IndexSchema.parse({
    version: 1,
    kind: 'index',
    prefix: PREFIX,
    page: `${PREFIX}/index.html`,
    runs: [
      indexed('upernet-full', {
        mIoU: 0.5894,
        original: 58.9,
        config: 'upernet_intern_vit_6b_504_80k_ade20k',
      }),
      indexed('paper', {
        kind: 'table',
        config: 'all',
        dataset: 's3://data/ade20k',
        mIoU: null,
        original: null,
        pageUri: `${PREFIX}/paper/table.html`,
      }),
      indexed('probe', { kind: 'training', mIoU: 0.4727 }),
      indexed('probe-80000', { partOf: 'probe', pageUri: `${PREFIX}/probe/evaluations/80000/report.html` }),
      indexed('halved', { partial: { images: 1200, ofImages: 2000 }, labels: {}, cost: null }),
      indexed('later', { mIoU: null, pageUri: null, incomplete: 'version 2 of Tessera 3.0.0' }),
      indexed('a-name-as-long-as-a-workflow-id-may-be-and-nobody-breaks-'.repeat(3), { mIoU: 0.3 }),
    ],
    notRead: [
      {
        uri: `${PREFIX}/coco/results.json`,
        reason: `${PREFIX}/coco/results.json: is not of Tessera: it names no run`,
      },
    ],
  });
}
