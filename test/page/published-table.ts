import { listConfigs, loadConfig } from '../../activities/plan/load-config.ts';
import { type Table, type TableRow, TableSchema } from '../../core/config/table.ts';

const PREFIX = 's3://results/paper';

/** A table of the original's eight rows as it would be published: one better, one worse, one that failed. */
export async function publishedTable(): Promise<Table> {
  const names = (await listConfigs()).filter((name) => name.includes('intern_vit_6b_504'));
  const configs = await Promise.all(names.map((name) => loadConfig(name)));
  const rows = configs.map(({ name, reproduces, train }, i): TableRow => {
    const workflowId = `paper-${name}`;
    const common = { name, workflowId, reproduces: reproduces ?? null };
    if (i === 1) {
      const uri = `s3://data/weights/${'a-long-name-without-a-place-to-break-at'.repeat(3)}.pth`;
      return { ...common, outcome: { kind: 'failed', class: 'BadInput', message: `${uri}: does not exist` } };
    }
    const mIoU = (reproduces!.mIoU + 0.4 - 0.2 * i) / 100;
    const at = `${PREFIX}/rows/${workflowId}`;
    const step = train?.steps ?? 80_000;
    const evaluation = { step, mIoU, mAcc: mIoU + 0.1, aAcc: mIoU + 0.3 };
    return {
      ...common,
      outcome: {
        kind: 'trained',
        mIoU,
        difference: 100 * mIoU - reproduces!.mIoU,
        steps: step,
        best: { ...evaluation, mIoU: mIoU + 0.001, resultsUri: `${at}/evaluations/best/results.json` },
        trainingImages: train?.data.images ?? 20_210,
        images: 2_000,
        device: 'NVIDIA H100 80GB HBM3',
        seconds: 33_600 - 1_000 * i,
        workerSeconds: 268_800,
        cost: { total: 186.67, currency: 'USD' },
        resultsUri: `${at}/results.json`,
        reportUri: `${at}/report.html`,
      },
    };
  });
  return TableSchema.parse({
    version: 1,
    kind: 'table',
    rows,
    run: {
      workflowId: 'paper',
      runId: '0198-run',
      codeVersion: '0.1.0',
      seconds: 180_000,
      startedAt: '2026-03-01T08:00:00.000Z',
      finishedAt: '2026-03-03T10:00:00.000Z',
    },
    request: {
      suite: 'all',
      weights: 's3://data/intern_vit_6b_224px.pth',
      dataset: 's3://data/ade20k',
      output: 's3://results',
    },
    artifacts: {
      markdown: `${PREFIX}/table.md`,
      page: `${PREFIX}/table.html`,
      schema: `${PREFIX}/table.schema.json`,
    },
  });
}
