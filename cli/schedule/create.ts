import { ScheduleAlreadyRunning, type ScheduleOverlapPolicy } from '@temporalio/client';
import { BadInput } from '../../core/config/failures.ts';
import { TASK_QUEUE } from '../await-workflow.ts';
import type { ScheduleOptions } from '../commands/schedule.ts';
import { openRunning } from '../session.ts';
import { terminal } from '../terminal.ts';
import { scheduledRequest } from './scheduled-request.ts';

const POLICIES: Record<ScheduleOptions['overlap'], ScheduleOverlapPolicy> = {
  skip: 'SKIP',
  'buffer-one': 'BUFFER_ONE',
  'buffer-all': 'BUFFER_ALL',
  'cancel-other': 'CANCEL_OTHER',
  'allow-all': 'ALLOW_ALL',
};

/** `tessera schedule create`. @throws BadInput for what the command in it would refuse, and for an id that is taken */
export async function createSchedule(id: string, words: string[], options: ScheduleOptions): Promise<void> {
  const { cron, timezone, overlap, paused } = options;
  const request = await scheduledRequest(id, words);
  const { type, workflowId } = request;
  await using session = await openRunning();
  try {
    const handle = await session.client.schedule.create({
      scheduleId: id,
      spec: { cronExpressions: cron, ...(timezone ? { timezone } : {}) },
      // Temporal adds the time to the workflow id, so that each run has its own folder.
      action: {
        type: 'startWorkflow',
        workflowType: type,
        workflowId,
        taskQueue: TASK_QUEUE,
        args: [request.input(session.bucket)],
      },
      policies: { overlap: POLICIES[overlap] },
      state: { paused: paused ?? false },
    });
    const { info } = await handle.describe();
    const next = info.nextActionTimes[0];
    terminal().done(
      `${id}: ${type}${next ? `, next at ${next.toISOString()}` : ', at no time that is to come'}`,
    );
    console.log(id);
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning)
      throw new BadInput(
        `schedule ${id}: is there already. Choose another id, or: tessera schedule delete ${id}`,
      );
    // So the client gives what the server refuses as invalid: of what is sent only the times are unchecked.
    if (error instanceof TypeError)
      throw new BadInput(`--cron ${cron.map((times) => `'${times}'`).join(' ')}: ${error.message}`);
    throw error;
  }
}
