import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { applyOverrides } from '../../../core/config/overrides.ts';
import { besidePublished, type ChainCost, PUBLISHED } from '../../../core/train/chain-cost.ts';
import {
  type SimulatedTraining,
  simulateTraining,
  type TrainingCosts,
} from '../../../core/train/simulate.ts';
import { ASSUMED, type Assumptions, trainingCosts } from '../../../core/train/training-costs.ts';

/** An option for each assumption: `--share-of-peak`. */
const OPTIONS: Record<keyof Assumptions, string> = {
  peakTflops: "of one GPU in the backbone's precision",
  shareOfPeak: 'that the backbone reaches of it',
  trainShareOfPeak: 'that it reaches in a step that trains it',
  headTflops: "that a head's convolutions reach",
  launchMicroseconds: 'that a kernel takes at least',
  copyGbPerS: 'between host and GPU, each way',
  optimizerNanoseconds: 'of AdamW on the host, for a parameter',
  memoryTbPerS: "of a GPU's memory",
  memoryShare: 'that AdamW on the GPU reaches of it',
  sampleMs: 'to make a crop',
  sendMsPerMb: "of a worker's main thread, to send features",
  receiveMsPerMb: "of the trainer's thread for it, to receive them",
  networkGbps: "of the trainer's link",
  windowSteps: 'batches computed ahead',
  windowGib: 'that they may take',
  checkpointMbPerS: 'at which a checkpoint is written to disk',
  startSeconds: 'until a worker is ready',
  evaluationImages: 'of an evaluation',
  lossesPerHour: 'of one GPU: pre-emption',
  replaceMinutes: 'until another has come',
  pricePerGpuHour: 'in whatever currency',
};

type Options = Assumptions & { gpus?: number[]; cfgOptions: string[]; seed: number };

export function simulateTrainingCommand(program: Command): void {
  const command = program
    .command('simulate-training')
    .description("a training's time and cost on many GPUs, simulated: see docs/scaling.md")
    .argument('<config>', 'a name from `tessera configs`, or a YAML file')
    .option('--gpus <count...>', 'of each simulation', (text: string, all: number[] = []) => [
      ...all,
      whole(text),
    ])
    .option('--cfg-options <key=value...>', 'override fields of the config, such as run.batch=4', [])
    .option('--seed <number>', 'of losses', number, 0);
  for (const [name, means] of Object.entries(OPTIONS) as [keyof Assumptions, string][])
    command.addOption(
      new Option(`--${kebab(name)} <number>`, means).argParser(number).default(ASSUMED[name]),
    );
  command.action(async (name: string, { gpus, cfgOptions, seed, ...assumed }: Options) => {
    const { train, ...config } = vitConfig(applyOverrides(await loadVitConfig(name), cfgOptions, name));
    if (!train)
      throw new BadInput(`${name}: has no train section; a config that says how to train is wanted`);
    const costs = trainingCosts({ ...config, train }, assumed);
    const counts = gpus ?? (costs.chain ? [1] : [1, 8, 64]);
    if (costs.chain && counts.some((count) => count > 1))
      throw new BadInput(
        `--gpus ${counts.join(' ')}: ${name} trains its backbone, which one GPU does; expected 1`,
      );
    console.log(costs.chain ? chainText(name, costs, costs.chain, assumed) : costsText(name, costs));
    const rows = counts.map((count) =>
      rowOf(simulateTraining(costs, count, seed), costs, assumed.pricePerGpuHour),
    );
    const table = new Table({ head: Object.keys(rows[0]!), style: { head: [], border: [], compact: true } });
    table.push(...rows.map((row) => Object.values(row)));
    console.log(table.toString());
  });
}

/** Of a training whose backbone trains nothing is sent, and one GPU takes all steps. */
const OF_FEATURES = ['backbones', 'network', 'receiving'];

/** A row's cells by their columns. Shares are of the time between evaluations: what is near 100 % holds the rest up. */
function rowOf(
  simulated: SimulatedTraining,
  { train, chain }: TrainingCosts,
  pricePerGpuHour: number,
): Record<string, string> {
  const { gpus, seconds, trainSeconds, evaluateSeconds, busy, losses, repeatedSteps } = simulated;
  const gpuHours = (gpus * seconds) / 3600;
  const share = (busySeconds: number, of = 1) =>
    `${((100 * busySeconds) / (of * trainSeconds)).toFixed(0)} %`;
  const cells = {
    GPUs: String(gpus),
    hours: (seconds / 3600).toFixed(1),
    evaluating: `${((100 * evaluateSeconds) / seconds).toFixed(0)} %`,
    'steps/s': (train.steps / trainSeconds).toFixed(2),
    backbones: share(busy.backbone, gpus),
    threads: share(busy.workerThread, gpus),
    network: share(busy.network),
    receiving: share(busy.receive),
    [chain ? 'steps' : 'head']: share(busy.head),
    lost: `${losses}, ${repeatedSteps} steps`,
    'GPU-hours': gpuHours.toFixed(0),
    cost: (gpuHours * pricePerGpuHour).toFixed(0),
  };
  if (!chain) return cells;
  return Object.fromEntries(Object.entries(cells).filter(([name]) => !OF_FEATURES.includes(name)));
}

/** What the simulation is fed with. */
function costsText(name: string, costs: TrainingCosts): string {
  const { train, group } = costs;
  const ms = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
  const stepMb = (train.batch * costs.cropBytes) / 1e6;
  return [
    `${name}: ${train.steps} steps of ${train.batch} crops, evaluated every ${train.evaluateEvery}`,
    `  backbone   ${ms(costs.backboneSeconds)} for ${group} crops`,
    `  worker     ${ms(costs.sampleSeconds)} to make a crop, ${ms(costs.sendSeconds)} to send one`,
    `  network    ${(costs.cropBytes / 1e6).toFixed(1)} MB a crop, ${stepMb.toFixed(0)} MB a step; ${costs.windowSteps} steps ahead`,
    `  trainer    ${ms(costs.receiveSeconds)} to receive a crop; a step ${ms(costs.gpuStepSeconds)} on the GPU, ${ms(costs.hostStepSeconds)} on the host`,
    `  checkpoint ${costs.checkpointSeconds.toFixed(1)} s; an evaluation ${costs.evaluationGpuSeconds.toFixed(0)} GPU seconds`,
  ].join('\n');
}

/** The parts of a step whose backbone trains, and the step beside a published one. */
function chainText(name: string, costs: TrainingCosts, chain: ChainCost, assumed: Assumptions): string {
  const { train, gpuStepSeconds, checkpointSeconds, evaluationGpuSeconds } = costs;
  const { step, tokens, checkpointBytes } = chain;
  const s = (seconds: number) => `${seconds.toFixed(2)} s`;
  const { now, atItsShare } = besidePublished(chain, assumed);
  return [
    `${name}: ${train.steps} steps of ${train.batch} crops, evaluated every ${train.evaluateEvery}`,
    `  a step     ${s(gpuStepSeconds)}: backbone ${s(step.backbone)}, heads ${s(step.heads)}, optimizer ${s(step.optimizer)}, between host and GPU ${s(step.traffic)}`,
    `  a token    ${((1e6 * gpuStepSeconds) / tokens).toFixed(0)} µs: for each parameter ${now.toFixed(2)} times ${PUBLISHED.what}; ${atItsShare.toFixed(2)} times at its share of the peak`,
    `  checkpoint ${(checkpointBytes / 1e9).toFixed(0)} GB in ${checkpointSeconds.toFixed(0)} s, read as long at each segment; an evaluation ${evaluationGpuSeconds.toFixed(0)} GPU seconds`,
  ].join('\n');
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function number(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('expected a number, 0 or more');
  return value;
}

function whole(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected 1, 2, 3 …');
  return value;
}
