import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainProgress } from '../../core/config/train-run.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { spawnTied } from '../../infra/local/processes.ts';
import { programArguments } from '../../infra/local/program.ts';
import { PACKAGE } from '../../workers/environment.ts';
import { type Outcome, SHORT } from '../integration/training.ts';
import {
  type ClusterTessera,
  HOST,
  leftThere,
  NAMESPACE,
  ROOT,
  startClusterTessera,
  untilProgress,
} from './cluster.ts';
import { kubectl } from './kubectl.ts';

let tessera: ClusterTessera;
let expected: Outcome;
/** Two segments, long enough that other workers come in time. */
const input = (workers: number) =>
  tessera.trainings.input({
    overrides: [...SHORT, 'train.steps=80', 'train.evaluateEvery=40', `run.workers=${workers}`],
  });

beforeAll(async () => {
  tessera = await startClusterTessera({ images: 8 });
  expected = await outcomeOnThisMachine('on-this-machine');
});
afterAll(() => tessera?.[Symbol.asyncDispose]());

/** What one local process makes of it. */
async function outcomeOnThisMachine(workflowId: string): Promise<Outcome> {
  const taskQueue = 'on-this-machine';
  await using _control = spawnTied(process.execPath, programArguments('workers/control'), {
    cwd: PACKAGE,
    env: {
      ...process.env,
      TEMPORAL_ADDRESS: `${HOST}:7233`,
      TESSERA_TASK_QUEUE: taskQueue,
      TESSERA_LAUNCHER: 'local',
      // That of the images: a checkpoint's file says by which version it was written.
      TESSERA_CODE_VERSION: 'test',
    },
    output: 'ignore',
  });
  await tessera.client.workflow.execute('Train', { taskQueue, workflowId, args: [input(1)] });
  return tessera.trainings.outcome(workflowId);
}

function trainerOf({ workers }: TrainProgress): string | undefined {
  return Object.keys(workers).find((name) => workers[name]!.role === 'trainer');
}

/** Whether other pods bring the trainer features. */
function isFed({ log }: TrainProgress): boolean {
  return (log?.feature_workers ?? 0) > 0;
}

describe('Train on a cluster', () => {
  it('trains on features of other pods, loses its trainer, and gives the same head, bit for bit', async () => {
    const handle = await tessera.trainings.start('on-pods', input(3));
    const before = await untilProgress<TrainProgress>(
      handle,
      'other pods bring features to the trainer, and there is a checkpoint',
      (progress) => isFed(progress) && progress.checkpoint !== null && trainerOf(progress) !== undefined,
    );
    expect(before.step).toBeLessThan(40);
    expect(new Set(Object.values(before.workers).map(({ node }) => node)).size).toBe(2);
    const victim = trainerOf(before)!;
    await kubectl('delete', 'pod', victim, '-n', NAMESPACE, '--grace-period=0', '--force');
    // Another pod becomes the trainer, and those that are left bring features to it.
    const after = await untilProgress<TrainProgress>(
      handle,
      'another pod trains',
      (progress) => ![undefined, victim].includes(trainerOf(progress)),
    );
    expect(after.workers[victim]!.state).toContain('gone: deleted');
    await untilProgress<TrainProgress>(
      handle,
      'it is brought features, too',
      (progress) => isFed(progress) && progress.log!.time !== after.log!.time,
    );
    await handle.result();
    expect(await leftThere()).toEqual([]);

    expect(await tessera.trainings.outcome('on-pods')).toEqual(expected);
    const results = await readTrainResults(tessera.store, `${ROOT}/runs/on-pods/results.json`);
    expect(results.failures.map((failure) => failure.class)).toEqual(['WorkerLost']);
    expect(results.failures[0]!.message).toContain(`${victim}: deleted`);
    const logs = await tessera.logs('on-pods');
    const served = [...logs.values()].flatMap((text) => text.match(/features for .*/gm) ?? []);
    expect(served.join('\n')).toMatch(/^features for train-.* begun: at 10\.88\.[12]\.\d+:7300$/m);
  });
});
