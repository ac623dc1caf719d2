import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Terminal } from '../terminal.ts';
import { type Beside, liveView, NOTHING_BESIDE } from './live-lines.ts';
import { pendingWork } from './pending-work.ts';
import { askProgress, type ProgressView } from './progress-view.ts';
import { percentText } from './texts.ts';

const LOOK_EVERY_MS = 400;
/** What Temporal knows beside the run's own answer changes slowly. */
const LOOK_BESIDE_EVERY_MS = 3_000;

/** Shows a run's progress until it is stopped; a query without an answer shows nothing. */
export async function showProgress(
  type: string,
  handle: WorkflowHandle,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<void> {
  const rows = tellRows(terminal);
  let beside = NOTHING_BESIDE;
  let lookedAt = 0;
  while (!signal.aborted) {
    const view = await progressOf(handle, type);
    if (view && Date.now() - lookedAt > LOOK_BESIDE_EVERY_MS) {
      beside = await lookBeside(handle, view).catch(() => beside);
      lookedAt = Date.now();
    }
    if (view && !signal.aborted) {
      rows(view);
      terminal.live(liveView(view, beside));
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  terminal.clear();
}

async function progressOf(handle: WorkflowHandle, type: string): Promise<ProgressView | null> {
  return askProgress(handle, type).catch(() => null);
}

async function lookBeside(handle: WorkflowHandle, view: ProgressView): Promise<Beside> {
  const running = view.rows.filter(({ state }) => state === 'running');
  const [{ raw }, ...rows] = await Promise.all([
    handle.describe(),
    ...running.map(({ id, kind }) =>
      progressOf(handle.client.getHandle(id), kind === 'train' ? 'Train' : 'EvalMIoU'),
    ),
  ]);
  const named = running.flatMap(({ name }, i): [string, ProgressView][] =>
    rows[i] ? [[name, rows[i]]] : [],
  );
  const { slow, waitsFor } = pendingWork(raw, { ...view, rows: [] }, Date.now());
  return { slow, waitsFor, rows: new Map(named) };
}

/** A line for each row of a table that ends. */
function tellRows(terminal: Terminal): (view: ProgressView) => void {
  const told = new Set<string>();
  return ({ rows }) => {
    for (const { name, state, mIoU, message } of rows) {
      if (told.has(name) || (state !== 'done' && state !== 'failed')) continue;
      told.add(name);
      if (state === 'done') terminal.done(`${name}: mIoU ${mIoU === null ? 'nan' : percentText(mIoU)}`);
      else terminal.print(`✗ ${name}: ${message}`);
    }
  };
}
