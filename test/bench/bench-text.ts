import Table from 'cli-table3';
import { type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import { type BenchReport, median, type Pass, type Split } from './bench-report.ts';

/** Where each part of a pass runs: those with the model are a share of the clock, others are not. */
const PARTS: [keyof Split, string, string][] = [
  ['graph', 'graph', 'inference thread: backbone and head'],
  ['stitch', 'stitch', "stitcher's thread: average, resize, argmax"],
  ['both', '(both)', 'of these two: at the same time'],
  ['fetch', 'fetch', 'waiting for S3, several images at once'],
  ['decode', 'decode', 'image and annotation, several at once'],
  ['preprocess', 'preprocess', 'main thread: resize'],
  ['count', 'count', 'main thread: confusion matrix, digest'],
];

/** A report for people. */
export function benchText(report: BenchReport): string {
  const { environment, config, inProcess, endToEnd } = report;
  const { cpu, cores, device, node, onnxRuntime, codeVersion } = environment;
  return [
    `${report.date.slice(0, 10)} · Tessera ${codeVersion} · ${device === cpu ? cpu : `${device}, ${cpu}`}, ${cores} cores`,
    `Node ${node} · ONNX Runtime ${onnxRuntime} · ${config.run.precision}`,
    '',
    inProcessText(inProcess, vitConfig(config), report.weights),
    ...(endToEnd ? ['', endToEndText(endToEnd)] : []),
  ].join('\n');
}

function inProcessText(
  { images, crops, threads, load, passes }: BenchReport['inProcess'],
  { name, model, run }: VitConfig,
  weights: BenchReport['weights'],
): string {
  const of = (value: (pass: Pass) => number) => passes.map(value);
  const wall = median(of((pass) => pass.seconds));
  const speed = table(['', 'median', 'lowest', 'highest']);
  speed.push(
    ['images/s', ...spread(of((pass) => pass.imagesPerSecond))],
    ['crops/s', ...spread(of((pass) => pass.cropsPerSecond))],
    ['wall, s', ...spread(of((pass) => pass.seconds))],
  );
  const parts = table(['part', 'seconds', 'ms/image', '% of wall', 'where']);
  const row = (part: string, seconds: number, where: string) => [
    part,
    seconds.toFixed(3),
    ((1000 * seconds) / images).toFixed(2),
    Math.round((100 * seconds) / wall).toString(),
    where,
  ];
  for (const [key, part, where] of PARTS) parts.push(row(part, median(of(({ split }) => split[key])), where));
  const waiting = median(
    of(({ seconds, split }) => Math.max(0, seconds - split.graph - split.stitch + split.both)),
  );
  parts.splice(3, 0, row('(waiting)', waiting, 'both threads: for images, for the main thread'));
  const side = model.backbone.imageSizePx;
  return [
    `${name}: ${images} images, ${crops} crops of ${side} px, batch ${run.batch}, threads ${threads}, passes ${passes.length}, ${weights} weights`,
    speed.toString(),
    'Where a pass spends its time (medians). Loading runs beside inference: only graph, stitch and waiting, less what both did at once, add up to the wall.',
    parts.toString(),
    `once a worker, in no pass: weight fetch ${seconds(load.weightFetch)}, graph build ${seconds(load.graphBuild)}, ` +
      `session create ${seconds(load.sessionCreate)}, first batch ${seconds(load.warmUp)}`,
  ].join('\n');
}

function endToEndText(run: NonNullable<BenchReport['endToEnd']>): string {
  const list = (phases: Record<string, number>) =>
    Object.entries(phases)
      .map(([phase, value]) => `${phase} ${seconds(value)}`)
      .join(', ');
  const mIoU = run.mIoU === null ? '' : `, mIoU ${(100 * run.mIoU).toFixed(2)}`;
  return [
    `EvalMIoU through Temporal: ${run.images} images, ${run.workers} workers: ${seconds(run.seconds)} from start to results${mIoU}`,
    `  on the clock: ${list(run.wall)}`,
    `  summed over workers: ${list(run.worker)}`,
  ].join('\n');
}

function table(head: string[]): Table.Table {
  const colAligns = head.map((_, i) => (i === 0 || head[i] === 'where' ? 'left' : 'right'));
  return new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
}

function spread(values: number[]): string[] {
  return [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toPrecision(3));
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}
