import path from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { stageDataset } from '../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import type { Config } from '../../core/config/config.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../../core/config/stage.ts';
import type { Store } from '../../core/store.ts';
import { runToEnd } from '../run-workflow.ts';
import { openSession } from '../session.ts';
import { terminal } from '../terminal.ts';
import { timestamp } from './run.ts';

const EVALUATED = 'validation';

export function stageCommands(program: Command): void {
  const stage = program
    .command('stage')
    .description('upload a dataset or weights to S3, with a manifest; again is harmless');

  stage
    .command('dataset')
    .argument(
      '<folder-or-zip>',
      "the dataset's root, or its zip: ADEChallengeData2016, ADEChallengeData2016.zip",
    )
    .argument('<s3-uri>', 'where it goes')
    .option('--split <name>', 'which split: validation, training', EVALUATED)
    .option('--layout <config>', "config whose dataset section tells the dataset's layout", 'tiny')
    .option('--name <name>', 'name of the dataset, for people')
    .option('--check', 'decode every image and annotation before the first one is sent')
    .action(
      async (
        source: string,
        destination: string,
        options: { split: string; layout: string; name?: string; check?: boolean },
      ) => {
        const { dataset } = await loadConfig(options.layout);
        const request = {
          source: absolute(source),
          destination,
          name: options.name ?? path.basename(absolute(source), '.zip'),
          check: options.check ?? false,
          ...layoutOf(dataset, options.split),
        };
        await run({ type: 'StageDataset', request });
      },
    );

  stage
    .command('weights')
    .argument(
      '<source>',
      'a .pth file, an s3:// object, or an https:// URL (a lost download goes on where it was)',
    )
    .argument('<s3-uri>', 'the object that it becomes')
    .action((source: string, destination: string) =>
      run({ type: 'StageWeights', request: { source: absolute(source), destination } }),
    );
}

/** Where a split lies. A config tells the folders of the one that is evaluated; others lie beside it, by their names. */
export function layoutOf(
  dataset: Config['dataset'],
  split: string,
): Omit<StageDatasetInput, 'source' | 'destination' | 'name'> {
  const { imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile } = dataset;
  const folder = (evaluated: string) =>
    split === EVALUATED ? evaluated : evaluated.replace(/(^|\/)(validation|val)$/, `$1${split}`);
  return {
    ...{ split, imageDir: folder(imageDir), annotationDir: folder(annotationDir) },
    ...{ imageSuffix, annotationSuffix, splitFile },
  };
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
async function run(input: StageInput): Promise<void> {
  const { type, request } = input;
  const screen = terminal();
  await using session = await openSession(screen);
  screen.step(`${type}: ${request.destination}`);
  const staged = isHere(request.source)
    ? await stageFromHere(input, session.store, (percent) =>
        screen.step(`${type}: ${request.destination}, ${percent} %`),
      )
    : await runToEnd<Staged>(session, type, `${type}-${timestamp(new Date())}`, request, screen);
  screen.done(
    `${staged.uri}: ${staged.uploadedFiles} of ${staged.totalFiles} files uploaded, ${staged.uploadedBytes} bytes`,
  );
  for (const sentence of staged.leftOut ?? []) screen.print(`! ${sentence}`);
  console.log(staged.manifestUri);
}

function stageFromHere(
  { type, request }: StageInput,
  store: Store,
  say: (percent: number) => void,
): Promise<Staged> {
  const hooks = {
    signal: new AbortController().signal,
    onProgress: (done: number, total: number) => say(Math.floor((100 * done) / total)),
  };
  return type === 'StageDataset' ? stageDataset(store, request, hooks) : stageWeights(store, request, hooks);
}
