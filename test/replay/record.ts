import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TableInput } from '../../core/config/table.ts';
import { ensureServer } from '../../infra/local/servers.mjs';
import { PACKAGE } from '../../workers/environment.ts';
import { ROOT, until } from '../integration/tessera.ts';
import { SHORT, startTrainings, untilTraining } from '../integration/training.ts';

/*
 * Records histories for replay.test.ts: node --import tsx test/replay/record.ts [NAME …]
 * To be run when a change to a workflow is meant to break runs that are under way. recorded-training, -training-cancel and
 * -table are of a version whose trainings were called TrainHead: they stay as they are, as long as such runs may go on.
 */
const temporal = await ensureServer('temporal');
await using trainings = await startTrainings({ images: 8 });
const { tessera } = trainings;
const overrides = ['run.shards=3', 'run.overlays=1'];
const training = trainings.input({ overrides: [...SHORT, 'run.workers=2', 'train.evaluateEvery=10'] });
const whole = trainings.input({
  overrides: [...SHORT, 'train.evaluateEvery=10', 'train.trainable=all', 'train.dropPathRate=0.2'],
});

const histories: Record<string, (id: string) => Promise<WorkflowHandle>> = {
  recorded: (id) => tessera.start(id, tessera.input({ overrides })),
  async 'recorded-cancel'(id) {
    const handle = await tessera.start(id, tessera.input({ overrides: [...overrides, 'run.batch=1'] }));
    await until(handle, ({ shards }) => shards.done > 0);
    await handle.cancel();
    return handle;
  },
  'recorded-failure': (id) => tessera.start(id, tessera.input({ config: 'tinny' })),
  // With all that 0.2 added: what lists show, a budget that is spent, and a notice that nobody takes.
  'recorded-budget': (id) => {
    const added = ['run.budget.workerHours=0.0001', 'run.notify.url="http://127.0.0.1:9/notice"'];
    return tessera.start(id, tessera.input({ overrides: [...overrides, ...added] }));
  },
  'recorded-train': (id) => trainings.start(id, training),
  'recorded-train-whole': (id) => trainings.start(id, whole),
  'recorded-train-table': (id) => {
    const { weights, head, ...rest } = tessera.input();
    const table: TableInput = {
      weights,
      dataset: rest.dataset,
      output: rest.output,
      overrides: SHORT,
      concurrency: 2,
      rows: [
        { config: 'tiny', overrides: ['name=trained'] },
        { config: 'tiny', overrides: ['name=evaluated'], head: head! },
        // Nothing is staged there.
        { config: 'tiny', overrides: ['name=lost'], weights: `${ROOT}/weights/none.pth` },
      ],
    };
    const { workflow } = tessera.session.client;
    return workflow.start('ReproduceTable', { taskQueue: 'tessera', workflowId: id, args: [table] });
  },
  async 'recorded-train-cancel'(id) {
    const handle = await trainings.start(id, training);
    await untilTraining(handle, ({ step }) => step > 2);
    await handle.cancel();
    return handle;
  },
};

const wanted = process.argv.slice(2);
for (const [id, run] of Object.entries(histories)) {
  if (wanted.length > 0 && !wanted.includes(id)) continue;
  const handle = await run(id);
  await handle.result().catch(() => {});
  // Temporal's own command writes the form that replays anywhere.
  const show = ['workflow', 'show', '--workflow-id', handle.workflowId, '--output', 'json'];
  const history = execFileSync(temporal, [...show, '--address', process.env.TEMPORAL_ADDRESS!], {
    maxBuffer: 64 << 20,
  }).toString();
  await writeFile(path.join(import.meta.dirname, `${id}.json`), history.replaceAll(PACKAGE, '/tessera'));
}
