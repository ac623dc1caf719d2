import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEVICES, type Device } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { codeVersion, PACKAGE, stateFolder } from '../../../workers/environment.ts';
import type { FromPhase, Phase, PhaseReport } from '../gpu/phase.ts';
import { isFakeCuda, PHASES } from '../gpu/phases.ts';
import { profileFolder } from '../gpu/placement.ts';
import { runPhases } from '../gpu/run-phases.ts';
import { TRAIN_PHASES } from '../gpu/train/phases.ts';

interface Options {
  pack?: true;
  arch: string;
  train?: true;
  golden?: string;
  phases: string[];
  minutes: number;
  device: Device;
  batches: number[];
  passes: number;
  images: number;
  small?: true;
  cfgOptions: string[];
  out: string;
  phase?: string;
}

const MAIN = path.join(PACKAGE, 'test/bench/gpu/main.ts');

export function benchGpuCommand(program: Command): void {
  program
    .command('bench-gpu')
    .description('all that only a GPU can show: placement, numbers, speed and memory, phase by phase')
    .option('--pack', 'only make what infra/bench-gpu/run.py takes to a bare GPU machine')
    .option('--arch <number>', "with --pack: the GPU's compute capability, times ten", '90')
    .option('--train', 'what it shows of training, in place of evaluation')
    .option('--golden <folder>', 'with --train: golden data with trainings of every parameter')
    .option(
      '--phases <names...>',
      `of ${named(PHASES)}; with --train of ${named(TRAIN_PHASES)} (default: all)`,
      [],
    )
    .option('--minutes <number>', 'for all phases, such that ten are enough with the unpacking', positive, 9)
    .addOption(new Option('--device <device>', 'what to run on').choices(DEVICES).default('cuda'))
    .option('--batches <list>', 'crops of a batch at full size, one after the other', numbers, [8, 1, 16, 4])
    .option('--passes <count>', 'the median counts', positive, 5)
    .option('--images <count>', "of the demo's 100 that are evaluated", positive, 100)
    .option('--small', "the 6B's rows narrowed: to see that it runs through")
    .option('--cfg-options <key=value...>', "overrides of the 6B's rows", [])
    .option(
      '--out <folder>',
      'takes results.txt and results.json',
      path.join(stateFolder(), 'bench-gpu/results'),
    )
    .addOption(new Option('--phase <name>').hideHelp())
    .action(async (options: Options) => {
      if (options.pack) {
        const { pack } = await import('../gpu/pack.ts');
        await pack(options.arch);
      } else if (options.phase) await phaseProcess(options.phase, options);
      else await bench(options);
    });
}

async function bench(options: Options): Promise<void> {
  const phases = chosenPhases(options);
  const args = process.argv.slice(process.argv.indexOf('bench-gpu'));
  const folder = weightsFolder();
  mkdirSync(folder, { recursive: true });
  const profile = profileFolder(folder);
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => controller.abort());
  try {
    const reports = await runPhases({
      phases: phases.map((phase) =>
        phase.name === 'placement' ? { ...phase, env: profiling(profile) } : phase,
      ),
      command: (name) => [process.execPath, '--import', 'tsx', MAIN, ...args, '--phase', name],
      cwd: PACKAGE,
      limitSeconds: 60 * options.minutes,
      out: path.resolve(options.out),
      head: {
        data: { date: new Date().toISOString(), codeVersion: codeVersion(), device: options.device },
        lines: [`Tessera ${codeVersion()} on ${options.device}, ${new Date().toISOString()}`],
      },
      say: (line) => console.log(line),
      signal: controller.signal,
    });
    console.log(`\n${summary(reports)}; all of it: ${options.out}/results.txt and results.json`);
    if (reports.some(({ status }) => status !== 'done')) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function chosenPhases(options: Options): Phase[] {
  const all = phasesOf(options);
  const unknown = options.phases.find((name) => !all.some((phase) => phase.name === name));
  if (unknown) throw new BadInput(`--phases: '${unknown}' is none of ${named(all)}`);
  const chosen = all.filter(({ name }) => options.phases.length === 0 || options.phases.includes(name));
  return chosen.filter(({ needsGolden }) => !needsGolden || options.golden !== undefined);
}

function phasesOf({ train }: Options): Phase[] {
  return train ? TRAIN_PHASES : PHASES;
}

function named(phases: Phase[]): string {
  return phases.map(({ name }) => name).join(', ');
}

/** In the process of one phase. */
async function phaseProcess(name: string, options: Options): Promise<void> {
  const phase = phasesOf(options).find((one) => one.name === name)!;
  const send = (message: FromPhase) => process.send?.(message);
  // Whoever started us is gone.
  const onLost = () => process.exit(1);
  process.once('disconnect', onLost);
  try {
    const { device, batches, passes, images, small = false, cfgOptions: overrides } = options;
    let failures = 0;
    const record = (row: Record<string, unknown>, line: string) => {
      if (row.error) failures++;
      send({ type: 'row', row, line });
    };
    const run = phase.run({
      device,
      batches,
      passes,
      images,
      small,
      overrides,
      golden: options.golden ?? null,
      folder: weightsFolder(),
      record,
    });
    await run.finally(() => {
      if (isFakeCuda()) record({ isFake: true }, 'on the fake CUDA: these numbers mean nothing');
    });
    if (failures > 0) throw new Error(`${failures} of these could not be measured`);
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  }
  process.off('disconnect', onLost);
  process.disconnect?.();
}

function weightsFolder(): string {
  return path.join(stateFolder(), 'bench-gpu/weights');
}

function profiling(folder: string): Record<string, string> {
  const preload = pathToFileURL(path.join(PACKAGE, 'infra/bench-gpu/profile.mjs'));
  return {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${preload}`,
    TESSERA_PROFILE: folder,
  };
}

function summary(reports: PhaseReport[]): string {
  return reports.map(({ name, status }) => `${name} ${status}`).join(', ');
}

function numbers(text: string): number[] {
  return text.split(',').map(positive);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0');
  return value;
}
