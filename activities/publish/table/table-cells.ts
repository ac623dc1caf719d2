import type { Table, TableRow } from '../../../core/config/table.ts';
import { count, duration, percent, signedPoints } from '../report/format.ts';

/** What a row that is done says, as text, by column: the page and table.md say the same. */
export interface Cells {
  row: string;
  original: string;
  ours: string;
  difference: string;
  best: string;
  steps: string;
  images: string;
  time: string;
  hours: string;
  cost: string;
}

export const COLUMNS: Record<keyof Cells, string> = {
  row: 'Row',
  original: 'Original',
  ours: 'mIoU',
  difference: 'Points',
  best: 'Best',
  steps: 'Steps',
  images: 'Images',
  time: 'Time',
  hours: 'Worker h',
  cost: 'Cost',
};

const NONE = '–';

/** Of a row that failed only the names are there. */
export function cellsOf({ name, reproduces, outcome }: TableRow): Cells {
  const names = { row: reproduces?.row ?? name, original: reproduces ? reproduces.mIoU.toFixed(1) : NONE };
  if (outcome.kind === 'failed') {
    const rest = { ours: 'failed', difference: NONE, best: NONE, steps: NONE, images: NONE, time: NONE };
    return { ...names, ...rest, hours: NONE, cost: NONE };
  }
  const { mIoU, difference, best, steps, trainingImages, images, seconds, workerSeconds, cost } = outcome;
  return {
    ...names,
    ours: percent(mIoU),
    difference: difference === null ? NONE : signedPoints(difference),
    best: best ? `${percent(best.mIoU)} at ${count(best.step)}` : NONE,
    steps: steps === null ? NONE : count(steps),
    images: trainingImages === null ? count(images) : `${count(trainingImages)} → ${count(images)}`,
    time: duration(seconds),
    hours: (workerSeconds / 3600).toFixed(workerSeconds < 36_000 ? 2 : 0),
    cost: cost.total > 0 ? `${cost.total.toFixed(2)} ${cost.currency}` : NONE,
  };
}

/** What the columns don't say by themselves. */
export function notesOf({ rows, cost }: Table): string[] {
  const isTrained = rows.some(({ outcome }) => outcome.kind === 'trained');
  const isFailed = rows.some(({ outcome }) => outcome.kind === 'failed');
  return [
    ...(isTrained
      ? [
          'Of a training, mIoU is that of its last step, as the original reports it; the best evaluation stands beside it. Images: those that it learnt from → those that it was evaluated on.',
        ]
      : []),
    'Original, mIoU and best are mIoU in percent. Worker hours are those of the whole fleet, while it was there.',
    ...(cost && cost.total > 0
      ? [
          `All rows that are done together: ${cost.total.toFixed(2)} ${cost.currency} for ${(cost.workerSeconds / 3600).toFixed(1)} worker hours.`,
        ]
      : []),
    ...(isFailed
      ? [
          'To have failed rows tried again, start the same workflow id with "recompute": true: rows that are done are taken as they are.',
        ]
      : []),
  ];
}
