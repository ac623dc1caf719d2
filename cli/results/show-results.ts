import { BadInput } from '../../core/config/failures.ts';
import { perClassTable } from '../../core/metric/per-class-table.ts';
import { findRun } from './find-run.ts';
import { readPublished } from './read-run.ts';
import {
  classesCsv,
  evaluationCsv,
  evaluationText,
  tableSummary,
  trainingCsv,
  trainingSummary,
} from './results-text.ts';

export interface ResultsOptions {
  json?: true;
  csv?: true;
  perClass?: true;
}

/** Prints what a run has published. */
export async function showResults(name: string, { json, csv, perClass }: ResultsOptions): Promise<void> {
  if (json && csv) throw new BadInput('--json and --csv: choose one of them');
  const published = await readPublished(await findRun(name));
  const { kind, document } = published;
  if (kind !== 'evaluation' && perClass)
    throw new BadInput(`${name}: is a ${kind}: --per-class is for an evaluation, such as one of its own`);
  if (json) console.log(JSON.stringify(document, null, 2));
  else if (kind === 'training') console.log(csv ? trainingCsv(document) : trainingSummary(document));
  else if (kind === 'table') {
    if (csv) throw new BadInput(`${name}: is a table: --csv is for evaluations and trainings. Use --json`);
    console.log(tableSummary(document));
  } else if (csv) console.log(perClass ? classesCsv(document) : evaluationCsv(document));
  else console.log([evaluationText(document), ...(perClass ? ['', perClassTable(document)] : [])].join('\n'));
}
