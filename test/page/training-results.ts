import { loadConfig } from '../../activities/plan/load-config.ts';
import type { TrainResults } from '../../core/config/train-results.ts';
import type { TrainRecord } from '../../core/train/train-log.ts';

const PREFIX = 's3://results/probe';
const sha256 = 'ab'.repeat(32);
const object = (name: string) => ({ uri: `s3://data/${name}`, sha256, sizeBytes: 12_345_678 });

/** A training that went well, as it would be published: 80,000 steps with an evaluation every 10,000. */
export async function trainingResults(): Promise<{ results: TrainResults; records: TrainRecord[] }> {
  const config = await loadConfig('linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen');
  const steps = 80_000;
  const evaluations = Array.from({ length: 8 }, (_, i) => {
    const step = (i + 1) * 10_000;
    const mIoU = 0.48 * (1 - Math.exp(-step / 15_000)) - (i === 7 ? 0.005 : 0);
    const resultsUri = `${PREFIX}/evaluations/step_${step}/results.json`;
    return { step, mIoU, mAcc: mIoU + 0.11, aAcc: mIoU + 0.33, resultsUri };
  });
  const records = Array.from({ length: 1_600 }, (_, i): TrainRecord => {
    const iter = (i + 1) * 50;
    const loss = 0.45 + 4.2 * Math.exp(-iter / 6_000) + 0.05 * Math.sin(i * 1.7);
    return {
      mode: 'train',
      epoch: 1 + Math.floor(iter / 1_263),
      iter,
      loss,
      time: 0.4,
      data_time: 0.02,
      lr: 4e-5 * (1 - iter / steps) * Math.min(1, iter / 1_500),
      'decode.loss_ce': loss,
      'decode.acc_seg': 82 - 60 * Math.exp(-iter / 5_000),
    };
  });
  const checkpoint = (step: number) => {
    const uri = `${PREFIX}/checkpoints/iter_${step}`;
    return { step, uri: `${uri}.json`, head: { ...object('head.pth'), uri: `${uri}.pth` } };
  };
  const results: TrainResults = {
    version: 1,
    kind: 'training',
    resumedFrom: null,
    steps,
    evaluations,
    run: {
      workflowId: 'probe',
      runId: '0198-run',
      seconds: 33_600,
      codeVersion: '0.1.0',
      imageDigest: null,
      startedAt: '2026-03-01T08:00:00.000Z',
      finishedAt: '2026-03-01T17:20:00.000Z',
      config,
    },
    inputs: {
      weights: object('intern_vit_6b_224px.pth'),
      dataset: {
        ...object('ade20k/training.manifest.json'),
        name: 'ADE20K',
        split: 'training',
        images: 20_210,
      },
      evaluation: { dataset: 's3://data/ade20k', split: 'validation' },
      start: { from: 'scratch' },
    },
    best: evaluations[6]!,
    checkpoints: { best: checkpoint(70_000), last: checkpoint(steps) },
    segments: evaluations.map(({ step }) => ({
      until: step,
      worker: 'train-0198-run-0',
      steps: 10_000,
      seconds: 4_000,
      dataSeconds: 180,
    })),
    failures: [{ class: 'WorkerLost', message: 'train-0198-run-3: preempted: made way for a pod' }],
    workers: [
      {
        name: 'train-0198-run-3',
        node: 'gpu-2',
        cause: { kind: 'preempted', message: 'made way for a pod' },
      },
    ],
    timeBudget: { plan: 2, train: 32_000, evaluate: 1_500, other: 98 },
    cost: { workerSeconds: 268_800, pricePerWorkerHour: 2.5, total: 186.67, currency: 'USD' },
    artifacts: {
      report: `${PREFIX}/report.html`,
      schema: `${PREFIX}/results.schema.json`,
      log: `${PREFIX}/train.log.json`,
      checkpoints: `${PREFIX}/checkpoints/`,
      evaluations: `${PREFIX}/evaluations/`,
    },
  };
  return { results, records };
}
