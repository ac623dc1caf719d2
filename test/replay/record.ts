import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureServer } from '../../infra/local/servers.mjs';
import { REPOSITORY } from '../../workers/environment.ts';
import { startTessera, until } from '../integration/tessera.ts';

/*
 * Records histories for replay.test.ts: node --import tsx test/replay/record.ts
 * To be run when a change to a workflow is meant to break runs that are under way.
 */
const temporal = await ensureServer('temporal');
await using tessera = await startTessera({ images: 8 });
const overrides = ['run.shards=3', 'run.overlays=1'];
const done = await tessera.start('recorded', tessera.input({ overrides }));
await done.result();
const cancelled = await tessera.start(
  'recorded-cancel',
  tessera.input({ overrides: [...overrides, 'run.batch=1'] }),
);
await until(cancelled, ({ shards }) => shards.done > 0);
await cancelled.cancel();
await cancelled.result().catch(() => {});
const failed = await tessera.start('recorded-failure', tessera.input({ config: 'tinny' }));
await failed.result().catch(() => {});
for (const handle of [done, cancelled, failed]) {
  // Temporal's own command writes the form that replays anywhere.
  const show = ['workflow', 'show', '--workflow-id', handle.workflowId, '--output', 'json'];
  const history = execFileSync(temporal, [...show, '--address', process.env.TEMPORAL_ADDRESS!]).toString();
  await writeFile(
    path.join(import.meta.dirname, `${handle.workflowId}.json`),
    history.replaceAll(REPOSITORY, '/tessera/'),
  );
}
