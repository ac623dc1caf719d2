import type { Command } from 'commander';
import type { StageDatasetOptions } from '../stage.ts';
import type { StagePublishedOptions } from '../stage-published.ts';

export function stageCommands(program: Command): void {
  const stage = program
    .command('stage')
    .description('upload a dataset or weights to S3, with a manifest; safe to repeat');

  stage
    .command('dataset')
    .argument(
      '<folder-or-zip>',
      "the dataset's root, or its zip: ADEChallengeData2016, ADEChallengeData2016.zip",
    )
    .argument('<s3-uri>', 'destination')
    .option('--split <name>', 'which split: validation, training', 'validation')
    .option('--image-dir <path>', "the split's images, below the source, if not where the layout has them")
    .option('--annotations <path>', "the split's annotations, likewise")
    .option(
      '--annotations-from <folder-or-zip>',
      'where they are published by themselves: gtFine_trainvaltest.zip',
    )
    .option('--no-annotations', 'the split has no annotations: a test set, to be predicted')
    .option('--split-file <path>', "text file with the split's images, one id per line")
    .option('--layout <config>', 'config whose dataset section gives the layout', 'tiny')
    .option('--name <name>', 'name of the dataset, for people')
    .option('--check', 'decode every image and annotation before anything is sent')
    .option('--json', 'print JSON')
    .action(async (source: string, destination: string, options: StageDatasetOptions) =>
      (await import('../stage.ts')).stageDatasetFrom(source, destination, options),
    );

  stage
    .command('weights')
    .argument(
      '<source>',
      'a .safetensors or .pth file, an index of shards, or a folder with either; an s3:// object, an https:// URL, or hf://org/name@revision/file (an interrupted download resumes)',
    )
    .argument('<s3-uri>', 'destination object')
    .option('--json', 'print JSON')
    .action(async (source: string, destination: string, options: { json?: true }) =>
      (await import('../stage.ts')).stageWeightsFrom(source, destination, options),
    );

  stage
    .command('published')
    .argument('<suite|config...>', 'dinov2, dinov3, or names from `tessera configs`')
    .description('stage the weights and heads that configs name as published')
    .requiredOption('--to <s3-uri>', 'folder: each file lies there by its own name')
    .option('--json', 'print JSON')
    .action(async (names: string[], options: StagePublishedOptions) =>
      (await import('../stage-published.ts')).stagePublished(names, options),
    );
}
