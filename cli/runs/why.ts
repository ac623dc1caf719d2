import { z } from 'zod';
import { readRun } from './read-run.ts';
import { type RunPicture, RunPictureSchema } from './run-picture.ts';
import { openTemporal } from './temporal.ts';
import { durationText, percentText } from './texts.ts';
import { shortName } from './worker-name.ts';

/** What `tessera why ID --json` prints. */
export const WhySchema = z.strictObject({
  id: z.string(),
  state: RunPictureSchema.shape.state,
  phase: RunPictureSchema.shape.phase,
  failure: RunPictureSchema.shape.failure,
  waitsFor: z.array(z.string()),
  slow: z.array(z.string()),
  /** That were mended on the way. */
  mended: z.array(z.strictObject({ class: z.string(), message: z.string() })),
});
export type Why = z.infer<typeof WhySchema>;

/** `tessera why ID`: why it failed and what to do, or what it waits for. */
export async function why(id: string, options: { json?: true }): Promise<void> {
  await using temporal = await openTemporal();
  const run = await readRun(temporal, id);
  console.log(options.json ? JSON.stringify(whyOf(run), null, 2) : whyText(run));
}

function whyOf({ id, state, phase, failure, waitsFor, slow, progress }: RunPicture): Why {
  return { id, state, phase, failure, waitsFor, slow, mended: progress?.failures ?? [] };
}

/** Sentences are never cut: they are what the command is for. */
export function whyText(run: RunPicture): string {
  if (run.failure) return failureText(run, run.failure);
  if (run.state === 'running') return runningText(run);
  const mIoU = run.mIoU === null ? '' : `, mIoU ${percentText(run.mIoU)}`;
  return [`${run.id} succeeded in ${durationText(run.seconds)}${mIoU}.`, ...mendedLines(run)].join('\n');
}

function failureText(run: RunPicture, failure: NonNullable<RunPicture['failure']>): string {
  const { class: failureClass, message, causes, worker, shard, remedy } = failure;
  const where = [
    ...(shard === null ? [] : [`shard ${shard}`]),
    ...(worker ? [`worker ${shortName(worker)}: tessera logs ${run.id} --worker ${shortName(worker)}`] : []),
  ];
  return [
    `${run.id} ${stateWord(run.state)} after ${durationText(run.seconds)}.`,
    '',
    failureClass ? `${failureClass}: ${message}` : message,
    ...causes.map((cause) => `  because: ${cause}`),
    ...(where.length > 0 ? ['', `Where: ${where.join(', ')}`] : []),
    '',
    `What to do: ${remedy}`,
    ...mendedLines(run),
  ].join('\n');
}

function stateWord(state: RunPicture['state']): string {
  if (state === 'cancelled' || state === 'terminated') return `was ${state}`;
  return state === 'timed-out' ? 'ran out of time' : 'failed';
}

function runningText(run: RunPicture): string {
  const head = `${run.id} is running${run.phase ? ` (${run.phase})` : ''}, for ${durationText(run.seconds)}.`;
  const waits = run.waitsFor.map((text) => `It waits for: ${text}`);
  const slow = run.slow.map((text) => `Slow: worker ${text}`);
  const reasons = [...waits, ...slow];
  return [head, ...(reasons.length > 0 ? reasons : ['Nothing holds it back.']), ...mendedLines(run)].join(
    '\n',
  );
}

function mendedLines({ progress, failure }: RunPicture): string[] {
  const mended = (progress?.failures ?? []).filter(({ message }) => !failure?.message.startsWith(message));
  if (mended.length === 0) return [];
  const last = mended.at(-1)!;
  const count =
    mended.length === 1 ? '1 failure was mended' : `${mended.length} failures were mended, the last`;
  return ['', `On the way ${count}: ${last.class}: ${last.message}`];
}
