import { writeFile } from 'node:fs/promises';
import { renderComparison } from '../../activities/publish/report/comparison/render-comparison.tsx';
import { BadInput } from '../../core/config/failures.ts';
import { BOOTSTRAP } from '../../core/metric/compare.ts';
import { compareRuns } from '../../core/metric/compare-runs.ts';
import { terminal } from '../terminal.ts';
import { comparisonText } from './comparison-text.ts';
import { findRuns } from './find-run.ts';
import { readEvaluation } from './read-run.ts';

export interface CompareOptions {
  json?: true;
  html?: string;
  all?: true;
  resamples: string;
  seed: string;
}

/** More take minutes and change nothing. */
const MAX_RESAMPLES = 100_000;
/** Of a pipe. */
const USUAL_COLUMNS = 100;

/** Compares evaluations with the first one. */
export async function compare(names: string[], options: CompareOptions): Promise<void> {
  if (names.length < 2) throw new BadInput('compare: name at least two runs; the first one is the baseline');
  const bootstrap = {
    ...BOOTSTRAP,
    resamples: integer('--resamples', options.resamples, 100, MAX_RESAMPLES),
    seed: integer('--seed', options.seed, 0, 2 ** 31 - 1),
  };
  const [baseline, ...others] = await Promise.all((await findRuns(names)).map(readEvaluation));
  const comparison = compareRuns(baseline!, others, bootstrap);
  if (options.html) {
    await writeFile(options.html, renderComparison(comparison));
    terminal().done(`page     ${options.html}`);
  }
  if (options.json) console.log(JSON.stringify(comparison, null, 2));
  else
    console.log(
      comparisonText(comparison, {
        columns: process.stdout.columns ?? USUAL_COLUMNS,
        isColoured: process.stdout.isTTY && !process.env.NO_COLOR,
        showsAll: options.all ?? false,
      }),
    );
}

function integer(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new BadInput(`${option}: ${text} should be a whole number from ${least} to ${most}`);
  return value;
}
