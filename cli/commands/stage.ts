import path from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../../activities/plan/load-config.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../../core/config/stage.ts';
import { runToEnd } from '../run-workflow.ts';
import { openSession } from '../session.ts';
import { terminal } from '../terminal.ts';
import { timestamp } from './run.ts';

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
    .option('--split <name>', 'name of the split', 'validation')
    .option('--layout <config>', "config whose dataset section tells the dataset's layout", 'tiny')
    .option('--name <name>', 'name of the dataset, for people')
    .action(
      async (
        source: string,
        destination: string,
        options: { split: string; layout: string; name?: string },
      ) => {
        const { imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile } = (
          await loadConfig(options.layout)
        ).dataset;
        await run('StageDataset', {
          source: absolute(source),
          destination,
          split: options.split,
          name: options.name ?? path.basename(absolute(source), '.zip'),
          ...{ imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile },
        });
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
      run('StageWeights', { source: absolute(source), destination }),
    );
}

/** Of a file: the control worker may stand in another folder. */
function absolute(source: string): string {
  return /^[a-z0-9]+:\/\//i.test(source) ? source : path.resolve(source);
}

async function run(type: string, input: StageDatasetInput | StageWeightsInput): Promise<void> {
  const screen = terminal();
  await using session = await openSession(screen);
  screen.step(`${type}: ${input.destination}`);
  const id = `${type}-${timestamp(new Date())}`;
  const staged = await runToEnd<Staged>(session, type, id, input);
  screen.done(
    `${staged.uri}: ${staged.uploadedFiles} of ${staged.totalFiles} files uploaded, ${staged.uploadedBytes} bytes`,
  );
  console.log(staged.manifestUri);
}
