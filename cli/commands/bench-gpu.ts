import path from 'node:path';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { stateFolder } from '../../workers/environment.ts';
import { benchGpu, type GpuBench } from '../bench/gpu-bench.ts';
import { terminal } from '../terminal.ts';

interface Options {
  config: string;
  cfgOptions: string[];
  batches: string;
  passes: number;
}

export function benchGpuCommand(program: Command): void {
  program
    .command('bench-gpu')
    .description("time the segmenter alone beside the device's own matrix products, on random weights")
    .option('--config <name>', 'what to run', 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen')
    .option('--cfg-options <key=value...>', 'overrides, such as run.device=cpu or model.backbone.depth=8', [])
    .option('--batches <list>', 'crops of a batch, one after the other', '1,2,4,8,16')
    .option('--passes <count>', 'the median counts', Number, 5)
    .action(async ({ config: name, cfgOptions, batches, passes }: Options) => {
      const screen = terminal();
      const config = applyOverrides(await loadConfig(name), cfgOptions, name);
      const result = await benchGpu({
        config,
        folder: path.join(stateFolder(), 'bench-gpu'),
        batches: batches.split(',').map(Number),
        passes,
        say: (step) => screen.step(step),
      });
      screen.done(`${name} on ${result.environment.device}`);
      console.log(text(result));
    });
}

function text({ environment, peakTflops, batches, perImage }: GpuBench): string {
  const table = new Table({
    head: ['batch', 'crops/s', 'TFLOP/s', '% of peak', 'memory, MiB'],
    style: { head: [], border: [] },
  });
  for (const { batch, cropsPerSecond, tflops, shareOfPeak, usedMemoryMiB } of batches)
    table.push([
      batch,
      cropsPerSecond.toFixed(2),
      tflops.toFixed(2),
      (100 * shareOfPeak).toFixed(0),
      usedMemoryMiB ?? '–',
    ]);
  const { device, driver, onnxRuntime, precision } = environment;
  return [
    `${device}${driver ? `, driver ${driver}` : ''} · ONNX Runtime ${onnxRuntime} · ${precision}`,
    `matrix products: ${peakTflops.toFixed(2)} TFLOP/s`,
    table.toString(),
    `an image of 683 × 512 px makes ${perImage.crops} crops: ${mb(perImage.bytesIn)} to the device, ${mb(perImage.bytesOut)} back`,
  ].join('\n');
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
