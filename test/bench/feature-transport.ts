import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFeatureFeed } from '../../activities/train/features/feature-feed.ts';
import { cropBytes } from '../../activities/train/features/feature-service.ts';
import type { FeaturesConfig } from '../../activities/train/features/prepare-features.ts';
import { programArguments } from '../../infra/local/program.ts';
import { pretendedFeatures } from './pretended-features.ts';

export interface FeatureTransport {
  megabytesPerCrop: number;
  cropsPerSecond: number;
  megabytesPerSecond: number;
  /** CPU seconds for a gigabyte that came: of the trainer's process, and of all workers together. */
  trainerCpuPerGB: number;
  workersCpuPerGB: number;
}

const TOKEN = 'bench';
/** While these come, functions are compiled and buffers found; what the feed computed itself is among them. */
const WARM_UP_STEPS = 4;

/**
 * How fast features come from worker processes on this machine: all of the way, from a worker's memory into a
 * batch, but without a backbone.
 */
export async function benchFeatureTransport(
  config: FeaturesConfig,
  { workers, steps }: { workers: number; steps: number },
): Promise<FeatureTransport> {
  const { sample, extractor } = pretendedFeatures(config);
  await using feed = await openFeatureFeed({
    config,
    first: 0,
    end: WARM_UP_STEPS + steps,
    // What the feed is given, it moves away.
    sample: async (...at) => structuredClone(await sample(...at)),
    extractor: { extract: async (images) => structuredClone(await extractor.extract(images)) },
    serve: { host: '127.0.0.1', port: 0, token: TOKEN },
    window: { steps: 2, bytes: Number.POSITIVE_INFINITY },
  });
  const children = Array.from({ length: workers }, () => startSender(config, feed.address!));
  const reports = children.map((child) => once(child, 'message') as Promise<[{ cpuSeconds: number }]>);
  while (feed.workers < workers) await sleep(50);
  for (let step = 0; step < WARM_UP_STEPS; step++) await feed.next();
  const start = performance.now();
  const cpu = process.cpuUsage();
  for (let step = 0; step < steps; step++) await feed.next();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await feed[Symbol.asyncDispose]();
  const sent = (await Promise.all(reports)).reduce((sum, [{ cpuSeconds }]) => sum + cpuSeconds, 0);
  const crops = steps * config.train.batch;
  const gigabytes = (crops * cropBytes(config)) / 1e9;
  return {
    megabytesPerCrop: cropBytes(config) / 1e6,
    cropsPerSecond: crops / seconds,
    megabytesPerSecond: (1000 * gigabytes) / seconds,
    trainerCpuPerGB: (user + system) / 1e6 / gigabytes,
    // They are counted from their beginning, which is four steps earlier but for what the feed did itself.
    workersCpuPerGB: sent / (gigabytes * ((steps + 2) / steps)),
  };
}

function startSender(config: FeaturesConfig, address: string): ChildProcess {
  const sender = programArguments('test/bench/feature-sender');
  const { model, run, train } = config;
  return fork(sender.at(-1)!, [JSON.stringify({ model, run, train }), address, TOKEN], {
    execArgv: sender.slice(0, -1),
  });
}
