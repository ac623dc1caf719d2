import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { terminal } from '../../../cli/terminal.ts';
import { startStack } from '../../../infra/local/stack.ts';
import { pretendNodes } from '../pretended-nodes.ts';
import { benchScale, type ScaleBench } from '../scale-bench.ts';

interface Options {
  pods: number;
  shards: number;
  shardSeconds: number;
}

export function benchScaleCommand(program: Command): void {
  program
    .command('bench-scale')
    .description('what managing a large run costs, on nodes that KWOK pretends: see npm run bench:k8s')
    .option('--pods <count>', 'of the run', Number, 200)
    .option('--shards <count>', 'of the run', Number, 2_000)
    .option('--shard-seconds <seconds>', 'that a pod would take for one', Number, 58)
    .action(async (options: Options) => {
      const screen = terminal();
      const say = (step: string) => screen.step(step);
      const stateDir = await mkdtemp(path.join(os.tmpdir(), 'tessera-scale-'));
      try {
        await using _nodes = await pretendNodes(process.env.TESSERA_KWOK_BIN ?? 'kwok', options.pods);
        await using stack = await startStack({ stateDir });
        const result = await benchScale({ stack, folder: stateDir, say, ...options });
        console.log(text(options, result));
      } finally {
        await rm(stateDir, { recursive: true, force: true, maxRetries: 3 });
      }
    });
}

function text({ pods, shards, shardSeconds }: Options, result: ScaleBench): string {
  const { runSeconds, idealSeconds, launchSeconds, history, kubernetes, cpuSeconds, peakRssMiB } = result;
  const overhead = runSeconds - idealSeconds - launchSeconds;
  return [
    `${pods} pods, ${shards} shards of ${shardSeconds} s on average`,
    `run ${runSeconds.toFixed(1)} s: ${launchSeconds.toFixed(1)} s until all pods were there, ${idealSeconds.toFixed(1)} s of shards, ` +
      `${overhead.toFixed(1)} s (${((100 * overhead) / runSeconds).toFixed(2)} %) of control`,
    `history ${history.events} events, ${(history.bytes / 1e6).toFixed(1)} MB`,
    `Kubernetes API ${kubernetes.requests} requests, ${kubernetes.perMinute.toFixed(1)} a minute`,
    `control worker ${cpuSeconds.toFixed(1)} s of CPU (the pretended pods' part included), ${peakRssMiB.toFixed(0)} MiB at the most`,
  ].join('\n');
}
