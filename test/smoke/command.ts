import os from 'node:os';
import path from 'node:path';
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { connectSession } from '../../cli/session.ts';
import { terminal } from '../../cli/terminal.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { stateFolder } from '../../workers/environment.ts';
import { gb, type Phase, type PhaseHooks } from './phases.ts';
import { MIN_FREE_BYTES, smoke } from './smoke.ts';
import { blocksIn, expectedBytes, extrapolate, withBlocks } from './train-size.ts';
import { trainSmoke } from './train-smoke.ts';

const MODELS = {
  '6b': {
    linear: 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
    upernet: 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen',
  },
  '7b': { linear: 'dinov3_vit7b16_ade20k_linear', upernet: null },
};
/** Trained by `--train`: every parameter. */
const TRAINED = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
/** What a laptop of 16 GB can spare. */
const MAX_PEAK_BYTES = 4e9;
/** What a training may take of a machine of 24 GB. */
const TRAINING_BYTES = 20e9;

interface Options {
  model: keyof typeof MODELS;
  threads: number;
  train?: true;
  blocks?: number;
  batch: number;
}

export function smokeCommand(program: Command): void {
  program
    .command('smoke')
    .description('take random weights of true sizes the whole way, on a CPU, and print time and memory')
    .addOption(
      new Option('--model <name>', 'InternViT-6B or DINOv3-7B').choices(Object.keys(MODELS)).default('6b'),
    )
    .option('--threads <count>', 'of ONNX Runtime (default: all cores)', Number, os.availableParallelism())
    .option('--train', 'train every parameter of some blocks of the 6B, with a checkpoint that is resumed')
    .option('--blocks <count>', `with --train: default as many as ${gb(TRAINING_BYTES)} hold`, Number)
    .option('--batch <crops>', 'with --train, in groups of one crop', Number, 1)
    .action(async (options: Options) => (options.train ? runTraining(options) : runEvaluation(options)));
}

async function runEvaluation({ model, threads }: Options): Promise<void> {
  const { linear, upernet } = MODELS[model];
  const overrides = ['run.device=cpu', 'run.precision=float32'];
  const config = async (name: string) =>
    vitConfig(applyOverrides(await loadVitConfig(name), overrides, 'smoke'));
  const screen = terminal();
  await using session = await connectSession(screen);
  const phases: Phase[] = [];
  const result = await smoke({
    session,
    ...folders(),
    linear: await config(linear),
    upernet: upernet === null ? null : await config(upernet),
    threads,
    minFreeBytes: MIN_FREE_BYTES,
    ...shown(screen, phases),
  });
  console.log(phaseTable(phases));
  const isBounded = result.peakBytes <= MAX_PEAK_BYTES;
  console.log(
    `peak of anonymous memory ${gb(result.peakBytes)} (${isBounded ? 'within' : 'ABOVE'} ${gb(MAX_PEAK_BYTES)}); ` +
      `resident with mapped files ${gb(result.residentPeakBytes)}; ${threads} threads`,
  );
  if (!isBounded) process.exitCode = 1;
}

async function runTraining({ threads, blocks: asked, batch }: Options): Promise<void> {
  const overrides = ['run.device=cpu', 'run.precision=float32', 'run.batch=1', `train.batch=${batch}`];
  const whole = vitConfig(
    applyOverrides(await loadVitConfig(TRAINED), [...overrides, `run.threads=${threads}`], 'smoke'),
  ) as TrainableConfig;
  const { depth } = whole.model.backbone;
  const blocks = asked ?? blocksIn(whole, TRAINING_BYTES);
  const config = withBlocks(whole, blocks);
  console.log(
    `${blocks} of ${depth} blocks, ${batch} crops a step: about ${gb(expectedBytes(config))} by core/train/training-memory.ts`,
  );
  const screen = terminal();
  await using session = await connectSession(screen);
  const phases: Phase[] = [];
  const { peakBytes } = await trainSmoke({
    session,
    ...folders(),
    config,
    minFreeBytes: 0,
    ...shown(screen, phases),
  });
  console.log(
    phaseTable(phases, {
      depth,
      of: ({ seconds }) => extrapolate({ seconds, bytes: 0 }, blocks, whole).seconds,
    }),
  );
  const isBounded = peakBytes <= TRAINING_BYTES;
  console.log(
    `the resumed step is the straight run's, bit for bit; peak of anonymous memory ${gb(peakBytes)} ` +
      `(${isBounded ? 'within' : 'ABOVE'} ${gb(TRAINING_BYTES)}), of ${depth} blocks about ` +
      `${gb(extrapolate({ seconds: 0, bytes: peakBytes }, blocks, whole).bytes)}; ${threads} threads`,
  );
  if (!isBounded) process.exitCode = 1;
}

function folders() {
  return { stateFolder: stateFolder(), folder: path.join(stateFolder(), 'smoke') };
}

function shown(screen: ReturnType<typeof terminal>, phases: Phase[]): PhaseHooks {
  return {
    onPhase(phase) {
      phases.push(phase);
      screen.done(`${phase.name}: ${phase.seconds.toFixed(1)} s, ${gb(phase.peakBytes)}, ${phase.notes}`);
    },
    onStep: (text) => screen.step(text),
  };
}

/** @param whole seconds that a phase would take with all blocks */
function phaseTable(phases: Phase[], whole?: { depth: number; of(phase: Phase): number }): string {
  const table = new Table({
    head: ['phase', 'seconds', ...(whole ? [`${whole.depth} blocks`] : []), 'peak anonymous', 'notes'],
    colAligns: ['left', 'right', ...(whole ? ['right' as const] : []), 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const phase of phases) {
    const { name, seconds, peakBytes, notes } = phase;
    const all = whole ? [whole.of(phase).toFixed(0)] : [];
    table.push([name, seconds.toFixed(1), ...all, gb(peakBytes), notes]);
  }
  return table.toString();
}
