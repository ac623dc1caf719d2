import path from 'node:path';
import { loadConfig } from '../activities/plan/load-config.ts';
import { stageDataset } from '../activities/stage/stage-dataset.ts';
import { stageWeights } from '../activities/stage/stage-weights.ts';
import type { Config } from '../core/config/config.ts';
import { BadInput } from '../core/config/failures.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import type { Store } from '../core/store.ts';
import { runToEnd } from './run-workflow.ts';
import { barText } from './runs/status-text.ts';
import { connectSession } from './session.ts';
import { type LiveView, terminal } from './terminal.ts';
import { timestamp } from './timestamp.ts';

/** The split that a config's layout says the place of. */
const EVALUATED = 'validation';

export interface StageDatasetOptions {
  split: string;
  imageDir?: string;
  annotations?: string | boolean;
  annotationsFrom?: string;
  splitFile?: string;
  layout: string;
  name?: string;
  check?: boolean;
  json?: true;
}

/** Stages a split of a dataset. */
export async function stageDatasetFrom(
  source: string,
  destination: string,
  options: StageDatasetOptions,
): Promise<void> {
  const { dataset } = await loadConfig(options.layout);
  const request = {
    source: absolute(source),
    ...(options.annotationsFrom === undefined ? {} : { annotationSource: absolute(options.annotationsFrom) }),
    destination,
    name: options.name ?? path.basename(absolute(source), '.zip'),
    check: options.check ?? false,
    ...layoutOf(dataset, options.split, placeOf(options)),
  };
  await run({ type: 'StageDataset', request }, options);
}

/** Stages a checkpoint. */
export async function stageWeightsFrom(
  source: string,
  destination: string,
  options: { json?: true },
): Promise<void> {
  await run({ type: 'StageWeights', request: { source: absolute(source), destination } }, options);
}

function placeOf({ imageDir, annotations, splitFile }: StageDatasetOptions): SplitPlace {
  return {
    ...(imageDir === undefined ? {} : { imageDir }),
    ...(typeof annotations === 'string' || annotations === false ? { annotations } : {}),
    ...(splitFile === undefined ? {} : { splitFile }),
  };
}

/** What a user says of a split's place, beside what the config's layout says. */
export interface SplitPlace {
  imageDir?: string;
  /** False: the split has none. */
  annotations?: string | false;
  splitFile?: string;
}

/**
 * Where a split lies. A config says where the one that is evaluated does; others lie beside it if the folders are named
 * after their splits.
 *
 * @throws BadInput if the layout doesn't distinguish splits: another split's files would be staged in silence
 */
export function layoutOf(
  dataset: Config['dataset'],
  split: string,
  place: SplitPlace = {},
): Omit<StageDatasetInput, 'source' | 'destination' | 'name'> {
  const { imageSuffix, annotationSuffix, annotationFormat } = dataset;
  const isEvaluated = split === EVALUATED || splitsOf(dataset).includes(split);
  const folder = (given: string | undefined, evaluated: string, option: string) => {
    if (given !== undefined || isEvaluated) return given ?? evaluated;
    const renamed = evaluated.replace(/(^|\/)(validation|val)$/, `$1${split}`);
    // With a list for each split, all share the folders.
    if (renamed !== evaluated || place.splitFile !== undefined) return renamed;
    throw new BadInput(
      `--split ${split}: the config's layout doesn't say where it lies: ${evaluated} is not named after a split. ` +
        `Name its folder with ${option}, or its list of images with --split-file`,
    );
  };
  if (!isEvaluated && dataset.splitFile !== undefined && place.splitFile === undefined)
    throw new BadInput(
      `--split ${split}: the config's layout lists the images of another split (${dataset.splitFile}). ` +
        'Name the list of this one with --split-file',
    );
  const splitFile = place.splitFile ?? (isEvaluated ? dataset.splitFile : undefined);
  return {
    split,
    imageDir: folder(place.imageDir, dataset.imageDir, '--image-dir'),
    ...(place.annotations === false
      ? {}
      : { annotationDir: folder(place.annotations, dataset.annotationDir, '--annotations') }),
    imageSuffix,
    annotationSuffix,
    annotationFormat,
    splitFile,
  };
}

/** By what names the layout's own paths call the split that is evaluated: `images/val`, `ImageSets/val.txt`. */
function splitsOf({ imageDir, splitFile = '' }: Config['dataset']): string[] {
  const name = /(?:^|\/)(validation|val)(?:\.\w+)?$/;
  return [imageDir, splitFile].flatMap((path) => name.exec(path)?.[1] ?? []);
}

function isHere(source: string): boolean {
  return !/^[a-z0-9]+:\/\//i.test(source);
}

function absolute(source: string): string {
  return isHere(source) ? path.resolve(source) : source;
}

type StageInput =
  | { type: 'StageDataset'; request: StageDatasetInput }
  | { type: 'StageWeights'; request: StageWeightsInput };

/**
 * Objects and URLs are fetched by the control worker, wherever it is; a file or folder of this machine is sent from
 * here, since a control worker in a cluster could not see it.
 */
async function run(input: StageInput, { json }: { json?: true }): Promise<void> {
  const { type, request } = input;
  const screen = terminal();
  await using session = await connectSession(screen);
  screen.step(`${type}: ${request.destination}`);
  const staged = isHere(request.source)
    ? await stageFromHere(input, session.store, (share) => screen.live(staging(request.destination, share)))
    : await runToEnd<Staged>(session, type, `${type}-${timestamp(new Date())}`, request, screen);
  screen.done(
    `${staged.uri}: ${staged.uploadedFiles} of ${staged.totalFiles} files uploaded, ${staged.uploadedBytes} bytes`,
  );
  for (const sentence of staged.leftOut ?? []) screen.print(`! ${sentence}`);
  console.log(json ? JSON.stringify(staged, null, 2) : staged.manifestUri);
}

function staging(destination: string, share: number): LiveView {
  const percent = `${Math.floor(100 * share)} %`;
  return {
    phase: 'staging',
    plain: `staging ${destination} · ${percent}`,
    lines: (columns) => [`▸ staging ${destination}`, `  ${barText(share, Math.min(40, columns - 12))}`],
  };
}

/** Sends a file or folder of this machine. @param say hears how far it is, as a share of the bytes */
export function stageFromHere(
  { type, request }: StageInput,
  store: Store,
  say: (share: number) => void = () => {},
): Promise<Staged> {
  const hooks = {
    signal: new AbortController().signal,
    onProgress: (done: number, total: number) => say(total > 0 ? done / total : 1),
  };
  return type === 'StageDataset' ? stageDataset(store, request, hooks) : stageWeights(store, request, hooks);
}
