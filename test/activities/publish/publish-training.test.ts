import { describe, expect, it } from 'vitest';
import { publishTraining, type TrainOutcome } from '../../../activities/publish/publish-training.ts';
import { BadData } from '../../../core/config/failures.ts';
import { readTrainResults } from '../../../core/read-train-results.ts';
import { segment, trainRun } from '../train/training-run.ts';
import { memoryStore } from './memory-store.ts';
import { FINISHED_MS } from './publish-input.ts';

const run = trainRun();
const evaluation = (step: number, mIoU: number) => ({
  step,
  mIoU,
  mAcc: 0.5,
  aAcc: 0.5,
  resultsUri: `${run.prefix}/evaluations/iter_${step}/results.json`,
});

/** A training of 20 steps, whose best head is not its last one's, as its workflow hands it over. */
function outcome(changes: Partial<TrainOutcome> = {}): TrainOutcome {
  const started = FINISHED_MS - 60_000;
  return {
    run,
    resumedFrom: null,
    failures: [],
    workers: [],
    reproduce: ['tessera train'],
    evaluations: [evaluation(15, 0.75), evaluation(20, 0.5)],
    segments: [{ until: 20, worker: 'w0', steps: 20, seconds: 40, dataSeconds: 1 }],
    times: { started, planned: started + 1_000, trained: FINISHED_MS - 5_000, evaluateSeconds: 10 },
    ...changes,
  };
}

async function trained() {
  const memory = memoryStore();
  await segment(memory.store, { run });
  memory.writes.length = 0;
  return memory;
}

describe('a published training', () => {
  it('has the best head and the last, and its results.json is written last', async () => {
    const { store, writes } = await trained();
    const published = await publishTraining(store, outcome(), FINISHED_MS);
    expect(published).toMatchObject({
      steps: 20,
      best: { step: 15, mIoU: 0.75 },
      last: { step: 20, mIoU: 0.5 },
      head: `${run.prefix}/checkpoints/iter_15.pth`,
    });
    expect(writes.map((uri) => uri.slice(run.prefix.length + 1))).toEqual([
      'report.html',
      'results.schema.json',
      'results.json',
    ]);
    const results = await readTrainResults(store, published.resultsUri);
    expect(results.run.seconds).toBe(60);
    expect(results.checkpoints.last.step).toBe(20);
  });

  it('stays as it is, and all beside it, when it is published again with other numbers', async () => {
    const { store, objects } = await trained();
    const first = await publishTraining(store, outcome(), FINISHED_MS);
    const before = new Map(objects);
    const other = outcome({ evaluations: [evaluation(20, 0.25)], reproduce: ['another way'] });
    expect(await publishTraining(store, other, FINISHED_MS + 60_000)).toEqual(first);
    expect(objects).toEqual(before);
  });

  it('is not written without the checkpoint that it would name', async () => {
    const { store, writes } = await trained();
    const lost = outcome({ evaluations: [evaluation(10, 0.5)] });
    const publishing = publishTraining(store, lost, FINISHED_MS);
    await expect(publishing).rejects.toThrow(BadData);
    await expect(publishing).rejects.toThrow('the checkpoint of step 10 is gone');
    expect(writes).toEqual([]);
  });
});
