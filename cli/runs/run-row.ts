import { z } from 'zod';
import { RUN_KINDS, RunMemoSchema, STAGE_KINDS } from '../../core/config/listing.ts';
import type { Column } from './columns.ts';
import { ageText, costText, percentText } from './texts.ts';

/** How a run stands, by Temporal's own words for it. */
export const STATES = {
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Canceled',
  terminated: 'Terminated',
  'timed-out': 'TimedOut',
} as const;
export type RunState = keyof typeof STATES;
const STATE_NAMES = Object.keys(STATES) as [RunState, ...RunState[]];

/** A run in `tessera ls --json`. */
export const RunRowSchema = z.strictObject({
  id: z.string(),
  runId: z.string(),
  kind: z.enum([...RUN_KINDS, ...STAGE_KINDS]).or(z.string()),
  /** Null where neither its memo nor its input says, or could not be had in time. */
  config: z.string().nullable(),
  dataset: z.string().nullable(),
  state: z.enum(STATE_NAMES),
  /** Of a running one: what it is doing; `partial` of one that its budget has ended. */
  phase: z.string().nullable(),
  /** Share of its images, steps or rows that is done. */
  share: z.number().min(0).max(1).nullable(),
  /** Share in 0…1; of a running one, over what is done. */
  mIoU: z.number().nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  cost: RunMemoSchema.shape.cost.unwrap(),
  labels: z.record(z.string(), z.string()),
  /** The run that it is a part of. */
  parent: z.string().nullable(),
});
export type RunRow = z.infer<typeof RunRowSchema>;
/** What `tessera ls --json` prints. */
export const RunListSchema = z.array(RunRowSchema);

/** Our state for Temporal's status. */
export function stateOf(status: string): RunState {
  const name = status.toLowerCase().replaceAll('_', '-');
  if (name === 'paused' || name === 'continued-as-new') return 'running';
  return STATE_NAMES.find((state) => state === name) ?? 'running';
}

/** Of 60 columns, what matters stays: which run, how it stands, how far it is, and its mIoU. */
export function runColumns(nowMs: number): Column<RunRow>[] {
  return [
    { head: 'ID', text: ({ id }) => id },
    { head: 'KIND', text: ({ kind }) => kind, rank: 3 },
    { head: 'CONFIG', text: ({ config }) => config ?? '–', rank: 2 },
    { head: 'STATE', text: ({ state, phase }) => phase ?? state },
    {
      head: '%',
      text: ({ share }) => (share === null ? '–' : `${Math.floor(100 * share)}`),
      align: 'right',
      rank: 5,
    },
    { head: 'MIOU', text: ({ mIoU }) => percentText(mIoU), align: 'right' },
    {
      head: 'AGE',
      text: ({ startedAt }) => ageText((nowMs - new Date(startedAt).getTime()) / 1000),
      align: 'right',
      rank: 4,
    },
    { head: 'COST', text: ({ cost }) => costText(cost), align: 'right', rank: 1 },
  ];
}
