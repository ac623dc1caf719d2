import type { Results } from '../../core/config/results.ts';
import type { Table } from '../../core/config/table.ts';
import type { TrainResults } from '../../core/config/train-results.ts';
import { CLASS_METRICS, MEAN_METRICS, type Share } from '../../core/metric/metrics.ts';
import { trainingText } from '../run-training.ts';

/** An evaluation in a few lines. */
export function evaluationText({
  run,
  inputs,
  metrics,
  coverage,
  environment,
  cost,
  artifacts,
  partial,
}: Results): string {
  const { dataset } = inputs;
  // Of a run that its budget ended, there is none of the whole.
  const measured = partial?.metrics ?? metrics;
  const means = MEAN_METRICS.filter((key) => measured[key] !== undefined);
  const { device, precision, workers } = environment;
  const money = cost.total > 0 ? ` · ${cost.total.toFixed(2)} ${cost.currency}` : '';
  return [
    `${run.workflowId} · ${run.config.name}`,
    `${dataset.name}, ${dataset.split}, ${coverage.images} images`,
    ...(partial
      ? [`partial: ${partial.images} of ${partial.ofImages} images, ${partial.reason}; of these:`]
      : []),
    means.map((key) => `${key} ${percent(measured[key] ?? null)}`).join('   '),
    `${moment(run.finishedAt)} · ${run.seconds.toFixed(1)} s · ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${device}, ${precision}${money}`,
    `report   ${artifacts.report}`,
  ].join('\n');
}

export function trainingSummary(results: TrainResults): string {
  const { run, inputs, artifacts, checkpoints } = results;
  const { name, split, images } = inputs.dataset;
  return [
    `${run.workflowId} · ${run.config.name}`,
    `${name}, ${split}, ${images} images`,
    trainingText(results),
    `head     ${checkpoints.best.head.uri}`,
    `report   ${artifacts.report}`,
  ].join('\n');
}

export function tableSummary({ run, rows, artifacts }: Table): string {
  const lines = rows.map(({ name, outcome }) =>
    outcome.kind === 'failed'
      ? `  ${name}  failed: ${outcome.class}: ${outcome.message}`
      : `  ${name}  mIoU ${percent(outcome.mIoU)}`,
  );
  return [run.workflowId, ...lines, `report   ${artifacts.page}`].join('\n');
}

const CLASS_COLUMNS = [
  'class',
  'name',
  ...CLASS_METRICS,
  'labelPixels',
  'predictedPixels',
  'intersectionPixels',
] as const;

/** Classes of an evaluation, a line each; shares lie in 0…1, and are empty where they are not defined. */
export function classesCsv({ perClass }: Results): string {
  const columns = CLASS_COLUMNS.filter((column) => perClass[0]?.[column] !== undefined);
  return csv([[...columns], ...perClass.map((row) => columns.map((column) => cellOf(row[column])))]);
}

/** An evaluation in one line below its columns. */
export function evaluationCsv({ run, inputs, metrics, coverage, cost }: Results): string {
  const row = {
    workflowId: run.workflowId,
    runId: run.runId,
    config: run.config.name,
    dataset: inputs.dataset.name,
    split: inputs.dataset.split,
    images: coverage.images,
    ...Object.fromEntries(
      MEAN_METRICS.filter((key) => metrics[key] !== undefined).map((key) => [key, metrics[key] ?? null]),
    ),
    startedAt: run.startedAt,
    seconds: run.seconds,
    workerSeconds: cost.workerSeconds,
    cost: cost.total,
    currency: cost.currency,
  };
  return csv([Object.keys(row), Object.values(row).map(cellOf)]);
}

/** Evaluations of a training, a line each. */
export function trainingCsv({ evaluations }: TrainResults): string {
  const columns = ['step', 'mIoU', 'mAcc', 'aAcc', 'resultsUri'] as const;
  return csv([[...columns], ...evaluations.map((row) => columns.map((column) => cellOf(row[column])))]);
}

function cellOf(value: string | number | null | undefined): string {
  return value === null || value === undefined ? '' : String(value).trim();
}

/** @see RFC 4180 */
function csv(rows: string[][]): string {
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => row.map(quoted).join(',')).join('\n');
}

export function percent(share: Share): string {
  return share === null ? 'nan' : (100 * share).toFixed(2);
}

function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
