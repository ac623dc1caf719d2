import { CancellationScope, executeChild, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { PlannedRow, RowOutcome, TableInput, TableResult, TableRun } from '../core/config/table.ts';
import { control } from './activities.ts';
import { beforeDeadline } from './deadline.ts';
import type { EvalMIoU } from './eval-miou.ts';
import { asRunFailure, classify } from './failure.ts';
import { listRun } from './listing.ts';
import { withNotice } from './notify.ts';
import { type TableTracker, trackTable } from './table-progress.ts';
import type { Train } from './train.ts';

/**
 * Trains or evaluates one row after the other, each a run of its own on a fleet of its own, and publishes the
 * original's numbers and ours in one table. A row that fails is in the table, too, in its words.
 */
export function ReproduceTable(input: TableInput): Promise<TableResult> {
  return withNotice('ReproduceTable', input, () => reproduceTable(input));
}

async function reproduceTable(input: TableInput): Promise<TableResult> {
  const progress = trackTable();
  const listed = listRun();
  try {
    const plan = await control.planTable(input);
    listed.planned(plan.listing);
    if (plan.kind === 'finished') {
      listed.done({ resultsUri: plan.result.tableUri });
      return plan.result;
    }
    const { run } = plan;
    progress.plan(run.rows);
    const outcomes = await beforeDeadline(
      run.request.deadlineMinutes * 60_000,
      () => reproduceRows(run, progress),
      // Rows keep what they have, and nothing is published.
      () =>
        `with ${progress.done()} rows done; what the others have done stays: the same workflow id resumes from there`,
    );
    progress.enter('publishing');
    const started = workflowInfo().startTime.getTime();
    const result = await control.publishTable({ run, outcomes, started });
    progress.enter('done');
    listed.done({ resultsUri: result.tableUri });
    return result;
  } catch (error) {
    listed.failed(error);
    throw asRunFailure(error);
  }
}

/** Every row, so many at a time, in order. */
async function reproduceRows(run: TableRun, progress: TableTracker): Promise<RowOutcome[]> {
  const outcomes: RowOutcome[] = new Array(run.rows.length);
  const waiting = run.rows.entries();
  const lane = async () => {
    for (const [at, row] of waiting) {
      progress.begun(at);
      outcomes[at] = await reproduceRow(row, (mIoU) => progress.measured(at, mIoU));
      progress.ended(at, outcomes[at]);
    }
  };
  // All of them are waited for: a cancelled row ends its own workers.
  const lanes = await Promise.allSettled(Array.from({ length: run.request.concurrency }, lane));
  const cut = lanes.find((result) => result.status === 'rejected');
  if (cut) throw cut.reason;
  return outcomes;
}

async function reproduceRow(row: PlannedRow, onMeasured: (mIoU: number | null) => void): Promise<RowOutcome> {
  // Whoever terminates a table has its rows end their workers.
  const child = { workflowId: row.workflowId, parentClosePolicy: 'REQUEST_CANCEL' } as const;
  try {
    if (row.kind === 'train') {
      const { last, resultsUri } = await executeChild<typeof Train>(row.workflowType ?? 'TrainHead', {
        ...child,
        args: [row.input],
      });
      onMeasured(last.mIoU);
      return { kind: 'done', resultsUri };
    }
    const { mIoU, resultsUri } = await executeChild<typeof EvalMIoU>('EvalMIoU', {
      ...child,
      args: [row.input],
    });
    onMeasured(mIoU);
    return { kind: 'done', resultsUri };
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    // Somebody has cancelled this row alone.
    if (isCancellation(error)) return { kind: 'failed', class: 'BadInput', message: 'cancelled' };
    if (error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError')
      return {
        kind: 'failed',
        class: 'BadInput',
        message: `${row.workflowId} is running already, by itself`,
      };
    return { kind: 'failed', ...classify(error) };
  }
}
