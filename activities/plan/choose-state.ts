import { BadInput } from '../../core/config/failures.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { groupSize } from '../../core/model/chain/chain-plan.ts';
import { largestBatch, memoryText } from '../../core/model/device-memory.ts';
import { type StatePlace, sumOf, trainingMemory } from '../../core/train/training-memory.ts';

/** Parts that a message names: the largest, and none that is less than this. */
const NAMED = 3;
const NAMED_BYTES = 1e8;

/**
 * Where a training keeps its parameters and moments: as `run.state` says, and for `auto` on the device if they fit GPUs of
 * `run.deviceMemoryGb`, else on the host.
 *
 * @throws BadInput for a training that does not fit, with the figures and a setting that does. The batch of a step is part of
 *   a recipe, so that none is chosen here.
 */
export function chooseState(config: TrainableConfig): StatePlace {
  const { device, deviceMemoryGb, state } = config.run;
  if (device !== 'cuda' || deviceMemoryGb === undefined) return state === 'host' ? 'host' : 'device';
  const room = deviceMemoryGb * 1e9;
  const found = placesOf(state).find((place) => deviceBytes(config, place) <= room);
  if (found) return found;
  throw new BadInput(`${config.name}: ${needText(config, deviceMemoryGb)}. ${remedyOf(config, room)}`);
}

/** What a training with its state on the host takes of it: for a plan's notes. */
export function hostStateText(config: TrainableConfig): string {
  const bytes = memoryText(sumOf(trainingMemory(config, 'host').host));
  return `run.state is host: parameters and moments lie in the trainer's own memory, ${bytes} of it with what goes along`;
}

function placesOf(state: TrainableConfig['run']['state']): StatePlace[] {
  return state === 'auto' ? ['device', 'host'] : [state];
}

function deviceBytes(config: TrainableConfig, place: StatePlace): number {
  return sumOf(trainingMemory(config, place).device);
}

/** `train.batch 16 needs about 92.1 GB of device memory (…), and run.deviceMemoryGb is 80` */
function needText(config: TrainableConfig, deviceMemoryGb: number): string {
  const place = placesOf(config.run.state).at(-1)!;
  const { device } = trainingMemory(config, place);
  const parts = device
    .filter(({ bytes }) => bytes >= NAMED_BYTES)
    .toSorted((a, b) => b.bytes - a.bytes)
    .slice(0, NAMED)
    .map(({ what, bytes }) => `${what} ${memoryText(bytes)}`);
  const { batch, trainable } = config.train;
  return (
    `train.batch ${batch}${trainable === 'head' ? '' : ` with run.state ${place}`} needs about ` +
    `${memoryText(sumOf(device))} of device memory (${parts.join(', ')}), and run.deviceMemoryGb is ${deviceMemoryGb}`
  );
}

/** The first setting that fits; those before it change no number. */
function remedyOf(config: TrainableConfig, room: number): string {
  const { run, train } = config;
  const place = placesOf(run.state).at(-1)!;
  if (run.state === 'device' && deviceBytes(config, 'host') <= room)
    return 'run.state=host fits: set it, or take GPUs with more memory';
  const groups = (batch: number) => deviceBytes({ ...config, run: { ...run, batch } }, place);
  const group = largestBatch(run.batch, room, groups);
  if (group > 0)
    return `run.batch=${groupSize(train.batch, group)} fits: set it, or take GPUs with more memory`;
  const steps = (batch: number) =>
    deviceBytes({ ...config, run: { ...run, batch: 1 }, train: { ...train, batch } }, place);
  const step = largestBatch(train.batch, room, steps);
  if (step === 0) return 'Not even train.batch=1 fits: take GPUs with more memory';
  return `train.batch=${step} fits with run.batch=1, which is another recipe: take GPUs with more memory, or set both`;
}
