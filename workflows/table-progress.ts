import { setCurrentDetails } from '@temporalio/workflow';
import type { PlannedRow, RowOutcome, TableProgress } from '../core/config/table.ts';
import { answerProgress } from './messages.ts';

export interface TableTracker {
  enter(phase: TableProgress['phase']): void;
  plan(rows: PlannedRow[]): void;
  begun(row: number): void;
  measured(row: number, mIoU: number | null): void;
  ended(row: number, outcome: RowOutcome): void;
  /** Rows that are done. */
  done(): number;
}

/** Keeps what `progress` answers of a table, and answers it. */
export function trackTable(): TableTracker {
  let progress: TableProgress = { phase: 'planning', rows: [] };
  answerProgress('ReproduceTable', () => progress);
  /** What Temporal's UI shows of a table under way: a line a row. */
  const tellDetails = () => {
    const rows = progress.rows.map(({ name, state, mIoU, message }) => {
      const measured = mIoU === null ? '' : `, mIoU ${(100 * mIoU).toFixed(2)}`;
      return `- ${name}: ${state}${measured}${message ? `: ${message}` : ''}`;
    });
    setCurrentDetails([`**${progress.phase}**`, '', ...rows].join('\n'));
  };
  tellDetails();
  const change = (at: number, changes: Partial<TableProgress['rows'][number]>) => {
    progress.rows[at] = { ...progress.rows[at]!, ...changes };
    tellDetails();
  };
  return {
    enter(phase) {
      progress.phase = phase;
      tellDetails();
    },
    plan(rows) {
      progress = {
        phase: 'running',
        rows: rows.map(({ name, workflowId, kind }) => ({
          name,
          workflowId,
          kind,
          state: 'waiting',
          mIoU: null,
          message: null,
        })),
      };
    },
    begun: (row) => change(row, { state: 'running' }),
    measured: (row, mIoU) => change(row, { mIoU }),
    ended: (row, outcome) =>
      change(row, {
        state: outcome.kind,
        ...(outcome.kind === 'failed' ? { message: outcome.message } : {}),
      }),
    done: () => progress.rows.filter(({ state }) => state === 'done').length,
  };
}
