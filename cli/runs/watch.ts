import { resultOf } from '../await-workflow.ts';
import { exitCode } from '../exit-codes.ts';
import { interrupted } from '../session.ts';
import { terminal } from '../terminal.ts';
import { describeRun, readRun } from './read-run.ts';
import { showProgress } from './show-progress.ts';
import { statusText } from './status-text.ts';
import { openTemporal, runPage } from './temporal.ts';

/** `tessera watch ID`: the live view of a run that anything started, until it ends or Ctrl-C leaves it. */
export async function watch(id: string): Promise<void> {
  const screen = terminal();
  await using temporal = await openTemporal();
  const { client } = temporal;
  const { runId, type, status } = await describeRun(temporal, id);
  const handle = client.workflow.getHandle(id, runId);
  if (status.name === 'RUNNING' || status.name === 'PAUSED') {
    const page = runPage(temporal, id);
    screen.print(`▸ ${type} ${id}${page ? ` · ${page}` : ''} (Ctrl-C leaves the view, not the run)`);
    const over = new AbortController();
    const showing = showProgress(type, handle, over.signal, screen);
    const ended = resultOf(client, handle, screen).then(
      () => true,
      () => true,
    );
    const isEnded = await Promise.race([ended, interrupted().then(() => false)]);
    over.abort();
    await showing;
    if (!isEnded) {
      screen.print(
        `▸ left the view: ${id} continues. To return: tessera watch ${id}. To stop the run: tessera cancel ${id}`,
      );
      process.exit(exitCode('Cancelled'));
    }
  }
  const run = await readRun(temporal, id);
  screen.print(`${run.state === 'completed' ? '✓' : '✗'} ${id} ${run.state}`);
  console.log(statusText(run, process.stdout.columns));
  if (run.state !== 'completed') process.exitCode = exitCode(run.failure?.class ?? 'Cancelled');
}
