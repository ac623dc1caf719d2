import { OutOfMemory } from '../../../../core/config/failures.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { sumOf, trainingMemory } from '../../../../core/train/training-memory.ts';
import { gb, totalMemory } from '../figures.ts';
import { matmulTflops } from '../matrix-products.ts';
import type { Bench } from '../phase.ts';
import { timeSteps } from './chain-steps.ts';
import { FEW_SHOT, FULL_TUNING, HEAD_TUNING, trainingConfig } from './training-config.ts';

type Where = Pick<Bench, 'device' | 'small' | 'overrides'>;

const STEPS = 10;
/** Of what does not fit, so many of the blocks are tried next. */
const FEWER = 0.75;
const BLOCKS_ON_HOST = 4;
/** After one that warms up. */
const OTHER_STEPS = 3;

/** Steps of the 6B with every parameter, its state on the device: of as many blocks as fit. */
export function wholeModel(bench: Bench): Promise<void> {
  return everyParameter(bench, FEW_SHOT, STEPS);
}

/** The same under UperNet. */
export function fullTuning(bench: Bench): Promise<void> {
  return everyParameter(bench, FULL_TUNING, 1 + OTHER_STEPS);
}

async function everyParameter(bench: Bench, row: string, steps: number): Promise<void> {
  const peak = await peakOf(bench);
  const whole = await trainingConfig(bench, row, 'run.state=device');
  const { depth, taps } = whole.model.backbone;
  const room = await totalMemory(bench.device);
  let blocks = await blocksThatFit(bench, row, room);
  bench.record(
    { blocks, of: depth, deviceBytes: room, countedBytes: countedBytes(whole) },
    `${blocks} of ${depth} blocks: all take ${gb(countedBytes(whole))} as counted, and the device has ${gb(room)}`,
  );
  for (;;) {
    const config = await withBlocks(bench, row, blocks, 'device');
    try {
      return await timeSteps(bench, config, { what: `${blocks} blocks`, steps, peak });
    } catch (error) {
      if (!(error instanceof OutOfMemory) || blocks === taps.length) throw error;
      bench.record({ blocks, refused: error.message }, `${blocks} blocks did not fit: ${error.message}`);
      blocks = Math.max(taps.length, Math.floor(FEWER * blocks));
    }
  }
}

/** The same of a few blocks with parameters, moments and AdamW on the host. */
export async function hostState(bench: Bench): Promise<void> {
  const peak = await peakOf(bench);
  const config = await withBlocks(bench, FEW_SHOT, BLOCKS_ON_HOST, 'host');
  const what = `${BLOCKS_ON_HOST} blocks, state on the host`;
  await timeSteps(bench, config, { what, steps: 1 + OTHER_STEPS, peak });
}

/** UperNet's step on features of a frozen backbone. */
export async function headStep(bench: Bench): Promise<void> {
  const peak = await peakOf(bench, 'float32');
  const config = await trainingConfig(bench, HEAD_TUNING, 'run.state=device');
  await timeSteps(bench, config, { what: 'UperNet', steps: 1 + OTHER_STEPS, peak });
}

/** By the count; all of them where nobody knows the device's memory. @param room bytes of the device */
export async function blocksThatFit(bench: Where, row: string, room: number | null): Promise<number> {
  const { depth, taps } = (await trainingConfig(bench, row)).model.backbone;
  if (room === null) return depth;
  let blocks = depth;
  while (blocks > taps.length && countedBytes(await withBlocks(bench, row, blocks, 'device')) > room)
    blocks--;
  return blocks;
}

/** A row with its first blocks; its taps are as far up as they were. */
async function withBlocks(
  bench: Where,
  row: string,
  blocks: number,
  state: 'device' | 'host',
): Promise<TrainableConfig> {
  const { depth, taps } = (await trainingConfig(bench, row)).model.backbone;
  const own = taps.map((tap) => Math.ceil(((tap + 1) * blocks) / depth) - 1);
  const model = [`model.backbone.depth=${blocks}`, `model.backbone.taps=[${own}]`];
  return trainingConfig(bench, row, `run.state=${state}`, ...model);
}

function countedBytes(config: TrainableConfig): number {
  return sumOf(trainingMemory(config, 'device').device);
}

async function peakOf(bench: Bench, precision?: 'float32'): Promise<number> {
  const { run } = await trainingConfig(bench, FEW_SHOT);
  const peak = await matmulTflops(bench.device, precision ?? run.precision, run.threads, bench.passes);
  const of = precision ?? run.precision;
  bench.record({ peakTflops: peak, precision: of }, `matrix products: ${peak.toFixed(2)} TFLOP/s, ${of}`);
  return peak;
}
