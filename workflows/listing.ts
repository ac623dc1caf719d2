import { isCancellation, upsertMemo, upsertSearchAttributes } from '@temporalio/workflow';
import { type Listing, MEMO_KEY, type RunMemo } from '../core/config/listing.ts';
import { classify } from './failure.ts';

export type ListedOutcome = Partial<Pick<RunMemo, 'mIoU' | 'partial' | 'cost' | 'resultsUri'>>;

/** Keeps what lists of runs show: in the run's memo and, where Temporal has them, in search attributes. */
export interface ListedRun {
  planned(listing: Listing | undefined): void;
  done(outcome: ListedOutcome): void;
  failed(error: unknown): void;
}

/**
 * Nothing is written before the plan, and nothing without its listing: a history that was recorded by an earlier version
 * has no events for it.
 */
export function listRun(): ListedRun {
  let listing: Listing | null = null;
  const tell = (memo: Pick<RunMemo, 'state'> & Partial<RunMemo>) => {
    if (!listing) return;
    const { config, dataset, labels, isSearchable } = listing;
    upsertMemo({ [MEMO_KEY]: { config, dataset, labels, ...memo } });
    if (!isSearchable) return;
    upsertSearchAttributes([
      { key: { name: 'TesseraConfig', type: 'KEYWORD' }, value: config },
      { key: { name: 'TesseraDataset', type: 'KEYWORD' }, value: dataset },
      { key: { name: 'TesseraState', type: 'KEYWORD' }, value: memo.state },
      { key: { name: 'TesseraMIoU', type: 'DOUBLE' }, value: memo.mIoU ?? null },
    ]);
  };
  return {
    planned(planned) {
      listing = planned ?? null;
      tell({ state: 'running' });
    },
    done: (outcome) => tell({ state: 'done', ...outcome }),
    failed: (error) =>
      tell(
        isCancellation(error) ? { state: 'cancelled' } : { state: 'failed', failure: classify(error).class },
      ),
  };
}
