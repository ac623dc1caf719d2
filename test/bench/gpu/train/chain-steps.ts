import { setImmediate } from 'node:timers/promises';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { tokensPerImage } from '../../../../core/model/backbone.ts';
import { planChain } from '../../../../core/model/chain/chain-plan.ts';
import { headFlops } from '../../../../core/model/flops.ts';
import { sumOf, trainingMemory } from '../../../../core/train/training-memory.ts';
import { median } from '../../bench-report.ts';
import { gb, share, taken, usedMemory } from '../figures.ts';
import type { Bench } from '../phase.ts';
import { openBenchChain } from './bench-chain.ts';
import { blockFlops } from './block-step.ts';

type Seconds = Record<'forward' | 'backward' | 'optimizer', number>;

/**
 * Steps of a training on random weights, each printed as soon as it is made; then their median but for the first, and what
 * they took of the device.
 *
 * @param peak of matrix products on the device, TFLOP/s
 * @throws OutOfMemory if it does not fit
 */
export async function timeSteps(
  bench: Bench,
  config: TrainableConfig,
  { what, steps, peak }: { what: string; steps: number; peak: number },
): Promise<void> {
  const { device, record } = bench;
  const before = await usedMemory(device);
  using opened = await openBenchChain(config);
  const { put, openSeconds } = opened;
  const putRate = put.bytes / put.seconds / 1e9;
  record(
    { what, openSeconds, put, usedBytes: taken(before, await usedMemory(device)) },
    `${what}: graphs open in ${openSeconds.toFixed(1)} s; ${gb(put.bytes)} of parameters and moments put in ${put.seconds.toFixed(1)} s, ` +
      `${putRate.toFixed(1)} GB/s`,
  );
  const all: Seconds[] = [];
  for (let step = 0; step < steps; step++) {
    const { sums, isSound, seconds } = opened.step(step);
    const losses = Object.fromEntries(Object.entries(sums).map(([name, { loss }]) => [name, loss]));
    const text = Object.entries(losses).map(([name, loss]) => `${name} ${loss.toFixed(4)}`);
    all.push(seconds);
    record(
      { what, step: step + 1, losses, seconds, ...(isSound ? {} : { error: 'a loss is not finite' }) },
      `step ${step + 1}: loss ${text.join(', ')}${isSound ? '' : ', NOT FINITE'}; ${secondsText(seconds)}`,
    );
    if (!isSound) return;
    // Nothing else runs during a step: what was recorded is sent now.
    await setImmediate();
  }
  // An arena gives nothing back: what is taken now is what was taken at most.
  const peakBytes = taken(before, await usedMemory(device));
  const counted = sumOf(trainingMemory(config, config.run.state === 'host' ? 'host' : 'device').device);
  const seconds = medians(all.length > 1 ? all.slice(1) : all);
  const total = totalOf(seconds);
  const useful = usefulFlops(config) / total / 1e12;
  const { batch } = config.train;
  const hostBytes = process.resourceUsage().maxRSS * 1024;
  const tokensPerSecond = (batch * tokensPerImage(config.model.backbone)) / total;
  record(
    {
      what,
      seconds,
      total,
      usefulTflops: useful,
      tokensPerSecond,
      peakBytes,
      countedBytes: counted,
      hostBytes,
    },
    `${what}: ${total.toFixed(2)} s a step of ${batch} crops (${secondsText(seconds)}), ${tokensPerSecond.toFixed(0)} tokens/s, ` +
      `${useful.toFixed(1)} TFLOP/s without what is computed twice, ${share(useful, peak)} of the peak; ` +
      `memory ${gb(peakBytes)} at most, counted ${gb(counted)}; host ${gb(hostBytes)}`,
  );
}

/** Forward once and backward twice as much; what is computed again does not count. */
function usefulFlops(config: TrainableConfig): number {
  const blocks = planChain(config).stages.filter(({ kind }) => kind === 'block').length;
  return 3 * config.train.batch * (blocks * blockFlops(config) + headFlops(config.model));
}

function medians(all: Seconds[]): Seconds {
  const of = (part: keyof Seconds) => median(all.map((seconds) => seconds[part]));
  return { forward: of('forward'), backward: of('backward'), optimizer: of('optimizer') };
}

function totalOf({ forward, backward, optimizer }: Seconds): number {
  return forward + backward + optimizer;
}

function secondsText({ forward, backward, optimizer }: Seconds): string {
  return `forward ${forward.toFixed(2)} s, head and backward ${backward.toFixed(2)}, AdamW ${optimizer.toFixed(2)}`;
}
