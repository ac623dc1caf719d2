import { ScheduleNotFoundError, type ScheduleSummary } from '@temporalio/client';
import { z } from 'zod';
import { BadInput } from '../../core/config/failures.ts';
import { currentType, FORMER_KINDS, RUN_KINDS } from '../../core/config/listing.ts';
import { openRunning } from '../session.ts';
import { terminal } from '../terminal.ts';

const TYPES: string[] = [...RUN_KINDS, ...FORMER_KINDS];

/** What `tessera schedule ls --json` prints. */
export const SchedulesSchema = z.array(
  z.strictObject({
    id: z.string(),
    type: z.string(),
    paused: z.boolean(),
    next: z.iso.datetime().nullable(),
    /** Started last. */
    last: z.strictObject({ at: z.iso.datetime(), workflowId: z.string() }).nullable(),
  }),
);
type Schedule = z.infer<typeof SchedulesSchema>[number];

/** `tessera schedule ls`: Tessera's own schedules; a namespace may hold others. */
export async function listSchedules({ json }: { json?: true }): Promise<void> {
  await using session = await openRunning();
  const found: Schedule[] = [];
  for await (const summary of session.client.schedule.list())
    if (TYPES.includes(summary.action?.workflowType ?? '')) found.push(scheduleOf(summary));
  found.sort((a, b) => a.id.localeCompare(b.id));
  if (json) console.log(JSON.stringify(found, null, 2));
  else for (const schedule of found) console.log(lineOf(schedule));
  if (!json && found.length === 0)
    terminal().print('no schedules; `tessera schedule create --help` says how');
}

function scheduleOf({ scheduleId, action, state, info }: ScheduleSummary): Schedule {
  const last = info.recentActions.at(-1);
  return {
    id: scheduleId,
    type: currentType(action!.workflowType),
    paused: state.paused,
    next: info.nextActionTimes[0]?.toISOString() ?? null,
    last: last ? { at: last.takenAt.toISOString(), workflowId: last.action.workflow.workflowId } : null,
  };
}

function lineOf({ id, type, paused, next, last }: Schedule): string {
  return `${id}  ${type}  ${paused ? 'paused' : (next ?? 'never')}${last ? `  last: ${last.workflowId}` : ''}`;
}

/** The other commands of a schedule. @throws BadInput if there is none of this id */
export async function changeSchedule(
  change: 'trigger' | 'pause' | 'unpause' | 'delete',
  id: string,
): Promise<void> {
  await using session = await openRunning();
  const handle = session.client.schedule.getHandle(id);
  try {
    await handle[change]();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError)
      throw new BadInput(`schedule ${id}: does not exist; 'tessera schedule ls' lists those that do`);
    throw error;
  }
  terminal().done(
    `${id}: ${{ trigger: 'started', pause: 'paused', unpause: 'resumed', delete: 'deleted' }[change]}`,
  );
}
