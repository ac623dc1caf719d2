import { memoryText } from '../../core/model/device-memory.ts';
import { figures, span } from '../../core/plan/forecast.ts';
import type { Estimate, PlanReport } from '../../core/plan/report.ts';

/** A plan for people: a fact a line, within 60 columns but for sentences. */
export function planText(report: PlanReport): string {
  const { kind, config, images, crops, shards, workers, batch, bytes, deviceMemory, estimate, notes } =
    report;
  const { training } = report;
  const rows: [string, string][] = [
    ['', `${config}: ${kind} in ${report.precision} on ${report.device}`],
    ...(training
      ? ([
          ['training', `${training.steps} steps of ${training.batch} crops, from ${training.images} images`],
          ['trains', training.trained],
          ['evaluations', `${training.evaluations}, each as follows`],
        ] as [string, string][])
      : []),
    ['images', `${images}, ${crops} crops in batches of ${batch}`],
    ['shards', `${shards} for ${workers} ${workers === 1 ? 'worker' : 'workers'}`],
    ['to fetch', `weights ${sizeText(bytes.weights)} a worker, images ${sizeText(bytes.images)}`],
    ...(deviceMemory
      ? ([
          [
            'GPU memory',
            `${memoryText(deviceMemory.bytes)}${deviceMemory.ofGb === null ? '' : ` of ${deviceMemory.ofGb} GB`}`,
          ],
        ] as [string, string][])
      : []),
    ...estimateRows(estimate),
  ];
  return [
    ...rows.map(([name, text]) => (name ? `  ${name.padEnd(12)}${text}` : text)),
    ...(estimate ? [estimate.why] : []),
    ...notes.map((note) => `! ${note}`),
  ].join('\n');
}

function estimateRows(estimate: Estimate | null): [string, string][] {
  if (!estimate) return [['time', 'unknown']];
  const { seconds, workerHours, price, calibration } = estimate;
  return [
    ['time', `about ${span(seconds)}, ${workerHours.toPrecision(2)} worker-hours`],
    ...(price
      ? ([['price', `about ${price.total.toPrecision(2)} ${price.currency}`]] as [string, string][])
      : []),
    ['by', `${calibration.deviceName}, ${calibration.basis}: ${figures(calibration.cropsPerSecond)} crops/s`],
    ['', `  ${''.padEnd(12)}(${calibration.source})`],
  ];
}

/** `1.4 GB` */
function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
