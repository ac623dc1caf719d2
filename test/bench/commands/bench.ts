import { rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { deviceName, ORT_VERSION } from '../../../activities/evaluate/environment.ts';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { makeDemo } from '../../../cli/demo/make-demo.ts';
import { connectSession } from '../../../cli/session.ts';
import { terminal } from '../../../cli/terminal.ts';
import { timestamp } from '../../../cli/timestamp.ts';
import type { Config } from '../../../core/config/config.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { codeVersion, stateFolder } from '../../../workers/environment.ts';
import { type BenchReport, BenchReportSchema } from '../bench-report.ts';
import { benchText } from '../bench-text.ts';
import { benchEndToEnd } from '../end-to-end.ts';
import { benchInProcess } from '../in-process.ts';
import { PRESETS } from '../presets.ts';
import { randomModel } from '../random-model.ts';
import { stageInputs } from '../stage-inputs.ts';
import { benchWeights, weightsText } from '../weights-bench.ts';

interface BenchOptions {
  preset: keyof typeof PRESETS;
  config?: string;
  cfgOptions?: string[];
  images?: number;
  passes: number;
  threads?: number;
  e2e: boolean;
  weights?: true;
  json?: string;
}

export function benchCommand(program: Command): void {
  program
    .command('bench')
    .description("time a worker on the demo's mini set, part by part, and the main job from end to end")
    .addOption(
      new Option('--preset <name>', 'sizes of the model: mid takes minutes')
        .choices(Object.keys(PRESETS))
        .default('tiny'),
    )
    .addOption(new Option('--config <name>', 'a config instead of a preset').conflicts('preset'))
    .option('--cfg-options <key=value...>', 'override fields; a model without demo weights gets random ones')
    .option('--images <count>', 'images of a pass (default: 100, mid: 8)', positive)
    .option('--passes <count>', 'measured passes', positive, 3)
    .option('--threads <count>', 'of the inference session (default: all cores)', positive)
    .option('--no-e2e', 'leave out the run through Temporal (mid and --config never have it)')
    .option('--json <file>', 'write the report as JSON, too')
    .option(
      '--weights',
      'time the way of the weights instead: 2 GiB from S3 into the cache, beside curl and boto3',
    )
    .action(async (options: BenchOptions) => {
      if (options.weights) return console.log(await weightsReport(options.passes));
      const report = await bench(options);
      console.log(benchText(report));
      if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    });
}

async function bench(options: BenchOptions): Promise<BenchReport> {
  const preset = PRESETS[options.preset];
  const overrides = [...preset.overrides, ...(options.cfgOptions ?? [])];
  const config = vitConfig(applyOverrides(await loadVitConfig(options.config ?? 'tiny'), overrides, 'bench'));
  const screen = terminal();
  await using session = await connectSession(screen);

  const folder = path.join(stateFolder(), 'bench');
  const demo = await makeDemo(path.join(stateFolder(), 'demo'), (step) => screen.step(step));
  const hasDemoWeights = isDeepStrictEqual(config.model, (await loadVitConfig('tiny')).model);
  if (!hasDemoWeights) screen.step('random weights');
  const files = hasDemoWeights ? demo : { ...demo, ...(await randomModel(folder, config.model)) };
  screen.step('staging to S3');
  const root = `s3://${session.bucket}`;
  const input = await stageInputs(session.store, root, files, config);
  screen.done(`mini ADE20K and ${hasDemoWeights ? "the demo's" : 'random'} weights staged to ${root}`);

  const cacheFolder = path.join(folder, 'cache');
  await rm(cacheFolder, { recursive: true, force: true });
  const inProcess = await benchInProcess({
    store: session.store,
    input,
    config,
    threads: options.threads ?? os.availableParallelism(),
    images: options.images ?? preset.images,
    passes: options.passes,
    cacheFolder,
    say: (step) => screen.step(step),
  });
  screen.done('in this process: done');
  const isWhole = preset.endToEnd && !options.config && options.e2e;
  const workflowId = `bench-${timestamp(new Date())}`;
  const endToEnd = isWhole ? await benchEndToEnd(session, workflowId, { input, config }, screen) : null;
  return BenchReportSchema.parse({
    version: 1,
    date: new Date().toISOString(),
    environment: await environment(config),
    config,
    weights: hasDemoWeights ? 'demo' : 'random',
    inProcess,
    endToEnd,
  });
}

/** Loopback here, or whatever S3 the environment names. */
async function weightsReport(rounds: number): Promise<string> {
  const screen = terminal();
  await using session = await connectSession(screen);
  const folder = path.join(stateFolder(), 'bench-weights');
  const sizeBytes = 2 ** 31;
  const say = (step: string) => screen.step(step);
  const options = { session, stateFolder: stateFolder(), folder, sizeBytes, rounds, say };
  return weightsText(await benchWeights(options), sizeBytes);
}

async function environment({ run }: Config): Promise<BenchReport['environment']> {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    device: await deviceName(run.device),
    node: process.versions.node,
    onnxRuntime: ORT_VERSION,
    codeVersion: codeVersion(),
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number above 0');
  return value;
}
