import type { Results } from '../config/results.ts';
import { CLASS_METRICS, MEAN_METRICS, type Share } from './metrics.ts';

/**
 * The two tables that mmseg prints after a test: "per class results" and "Summary".
 * Percent with two decimals, `nan` for a class that occurs nowhere.
 *
 * @see mmseg 0.30 `CustomDataset.evaluate`, which prints PrettyTable's default style
 */
export function perClassTable({ perClass, metrics }: Pick<Results, 'perClass' | 'metrics'>): string {
  const columns = CLASS_METRICS.filter((key) => perClass[0]?.[key] !== undefined);
  const means = MEAN_METRICS.filter((key) => metrics[key] !== undefined);
  const classes = asciiTable(
    ['Class', ...columns],
    perClass.map((row) => [row.name, ...columns.map((key) => percent(row[key] ?? null))]),
  );
  const summary = asciiTable([...means], [means.map((key) => percent(metrics[key] ?? null))]);
  return `per class results:\n\n${classes}\nSummary:\n\n${summary}`;
}

function percent(share: Share): string {
  return share === null ? 'nan' : (100 * share).toFixed(2);
}

function asciiTable(header: string[], rows: string[][]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (row: string[]) => `|${row.map((cell, i) => ` ${centred(cell, widths[i]!)} `).join('|')}|`;
  return `${[rule, line(header), rule, ...rows.map(line), rule].join('\n')}\n`;
}

/** PrettyTable's centring: an odd space goes to the right of odd texts, to the left of even ones. */
function centred(text: string, width: number): string {
  const spare = width - text.length;
  const left = text.length % 2 === 1 ? Math.floor(spare / 2) : Math.ceil(spare / 2);
  return text.padStart(text.length + left).padEnd(width);
}
