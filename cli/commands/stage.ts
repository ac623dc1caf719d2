import type { Command } from 'commander';
import type { StageDatasetOptions } from '../stage.ts';

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
    .argument('<s3-uri>', 'where it goes')
    .option('--split <name>', 'which split: validation, training', 'validation')
    .option('--image-dir <path>', "the split's images, below the source, if not where the layout has them")
    .option('--annotations <path>', 'its annotations, likewise')
    .option('--no-annotations', 'it has none, and is to be predicted: a test set for a server')
    .option('--split-file <path>', 'the list of its images, an id a line')
    .option('--layout <config>', "config whose dataset section tells the dataset's layout", 'tiny')
    .option('--name <name>', 'name of the dataset, for people')
    .option('--check', 'decode every image and annotation before the first one is sent')
    .action(async (source: string, destination: string, options: StageDatasetOptions) =>
      (await import('../stage.ts')).stageDatasetFrom(source, destination, options),
    );

  stage
    .command('weights')
    .argument(
      '<source>',
      'a .pth file, an s3:// object, or an https:// URL (a lost download goes on where it was)',
    )
    .argument('<s3-uri>', 'the object that it becomes')
    .action(async (source: string, destination: string) =>
      (await import('../stage.ts')).stageWeightsFrom(source, destination),
    );
}
