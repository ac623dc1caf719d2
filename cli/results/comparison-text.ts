import { styleText } from 'node:util';
import CliTable from 'cli-table3';
import type { Change, ClassChange, ComparedPair, Comparison } from '../../core/config/comparison.ts';
import { excludesZero } from '../../core/metric/compare-runs.ts';
import { percent } from './results-text.ts';

/** Classes that are shown though none of them is marked, and at most. */
const SHOWN = { least: 10, most: 40 };
/** Narrower than that, tables leave intervals out. */
const WIDE_COLUMNS = 72;

export interface TextOptions {
  columns: number;
  isColoured: boolean;
  showsAll: boolean;
}

/** A comparison as tables. Differences are in points: per cent of the run minus those of the baseline. */
export function comparisonText(comparison: Comparison, options: TextOptions): string {
  const { dataset, baseline, bootstrap, comparisons } = comparison;
  const heading = `${dataset.name}, ${dataset.split}, ${dataset.images} images · A = ${baseline.name}`;
  const parts = comparisons.map((pair) => pairText(comparison, pair, options));
  const hasIntervals = comparisons.some(({ mIoU }) => mIoU.interval !== null);
  const legend = hasIntervals
    ? `Intervals: ${100 * bootstrap.confidence} %, paired bootstrap over images, ${bootstrap.resamples} resamples.\n` +
      '** holds over all classes; * its own interval excludes 0.'
    : '';
  return [heading, ...parts, legend].filter((part) => part !== '').join('\n\n');
}

function pairText(comparison: Comparison, pair: ComparedPair, options: TextOptions): string {
  const { perClass, notes } = pair;
  const defined = perClass.filter(({ difference }) => difference !== null);
  const marked = defined.filter(({ excludesZero, significant }) => excludesZero || significant).length;
  const shown = options.showsAll
    ? perClass
    : defined.slice(0, Math.min(SHOWN.most, Math.max(SHOWN.least, marked)));
  const letter = String.fromCharCode('B'.charCodeAt(0) + comparison.comparisons.indexOf(pair));
  const means = (['mIoU', 'mAcc', 'aAcc'] as const).map((key) =>
    rowOf(key, pair[key], pair[key].interval && excludesZero(pair[key].interval) ? '*' : '', options),
  );
  const classes = shown.map((change) => rowOf(change.name.trim(), change, markOf(change), options));
  const hidden = perClass.length - shown.length;
  return [
    `${letter} = ${pair.run.name}`,
    tableOf(['', 'A', letter, `${letter}−A`, 'interval', ''], means, options),
    tableOf(['class', 'A', letter, `${letter}−A`, 'interval', ''], classes, options),
    ...(hidden > 0 ? [`${hidden} more classes: --all`] : []),
    ...notes.map((note) => `▸ ${note}`),
  ].join('\n');
}

/** As a terminal shows it: what holds, what excludes 0 by itself. */
function markOf({ significant, excludesZero }: ClassChange): string {
  return significant ? '**' : excludesZero ? '*' : '';
}

function rowOf(name: string, change: Change, mark: string, { isColoured }: TextOptions): string[] {
  const { before, after, difference, interval } = change;
  const points = difference === null ? '–' : signed(difference);
  const colour = (difference ?? 0) > 0 ? 'green' : 'red';
  return [
    name,
    percent(before),
    percent(after),
    isColoured && mark !== '' ? styleText(colour, points) : points,
    interval ? `${signed(interval[0])} … ${signed(interval[1])}` : '–',
    mark,
  ];
}

export function signed(share: number): string {
  const text = (100 * share).toFixed(2);
  if (/^-?0\.00$/.test(text)) return '0.00';
  return text.startsWith('-') ? text.replace('-', '−') : `+${text}`;
}

function tableOf(head: string[], rows: string[][], { columns }: TextOptions): string {
  const isWide = columns >= WIDE_COLUMNS;
  const fitting = <T>(row: T[]) => (isWide ? row : row.filter((_, column) => column !== 4));
  const table = new CliTable({
    head: fitting(head),
    colAligns: fitting(['left', 'right', 'right', 'right', 'right', 'left'] as const),
    style: { head: [], border: [], compact: true },
    ...(isWide ? {} : { colWidths: [22] }),
  });
  for (const row of rows) table.push(fitting(row));
  return table.toString();
}
