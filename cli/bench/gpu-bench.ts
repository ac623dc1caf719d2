import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { deviceName, driverVersion, ORT_VERSION } from '../../activities/evaluate/environment.ts';
import { prepareModel } from '../../activities/evaluate/prepare-model.ts';
import type { InferenceSession, Tensor } from '../../activities/onnx/runtime.ts';
import { openSession, runSession, tensor } from '../../activities/onnx/session.ts';
import type { Config, Device } from '../../core/config/config.ts';
import type { DType } from '../../core/config/manifests.ts';
import { networkSize } from '../../core/image/test-size.ts';
import { backboneFlops } from '../../core/model/flops.ts';
import { logitsSide } from '../../core/model/head.ts';
import { CROPS } from '../../core/model/segmenter-graph.ts';
import { slideWindows, windowCount } from '../../core/model/slide-windows.ts';
import { GraphBuilder, type Value } from '../../core/onnx/graph.ts';
import { backboneState, headState, writeState } from '../smoke/random-checkpoint.ts';

export interface GpuBenchOptions {
  /** Device and precision as the config has them. */
  config: Config;
  /** Holds the random checkpoints and the model. */
  folder: string;
  batches: number[];
  passes: number;
  say(step: string): void;
}

export interface GpuBench {
  environment: { device: string; driver: string | null; onnxRuntime: string; precision: string };
  /** Of plain matrix products in the same precision: what the device can do. */
  peakTflops: number;
  batches: {
    batch: number;
    cropsPerSecond: number;
    tflops: number;
    shareOfPeak: number;
    usedMemoryMiB: number | null;
  }[];
  /** Between host and device for a typical image of ADE20K, 683 × 512 px: both graphs, both ways. */
  perImage: { crops: number; bytesIn: number; bytesOut: number };
}

/** Products in a row, so that launching them doesn't count. */
const CHAIN = 16;
/** Side of the square matrices; large enough for any device's peak. */
const SIDE: Record<Device, number> = { cuda: 8_192, cpu: 1_024 };

/** Times the segmenter alone on a device, beside what the device's matrix products reach. */
export async function benchGpu({ config, folder, batches, passes, say }: GpuBenchOptions): Promise<GpuBench> {
  const { device, precision, threads } = config.run;
  say('matrix products: what the device can do');
  const peakTflops = await matmulTflops(device, precision, threads, passes);
  mkdirSync(folder, { recursive: true });
  say('random weights of the true sizes');
  const checkpoints = [];
  for (const [name, state] of Object.entries({
    backbone: backboneState(config.model),
    head: headState(config.model),
  })) {
    const file = path.join(folder, `${name}.pth`);
    await writeState(file, state);
    checkpoints.push({ name, file });
  }
  const results: GpuBench['batches'] = [];
  for (const batch of batches) {
    say(`batch ${batch}`);
    const { modelFile } = await prepareModel(folder, checkpoints, {
      ...config,
      run: { ...config.run, batch },
    });
    const session = await openSession(modelFile, { device, threads });
    const side = config.model.backbone.imageSizePx;
    const inputs = { [CROPS]: tensor(new Uint8Array(batch * side * side * 3), [batch, side, side, 3]) };
    const seconds = await medianSeconds(session, inputs, device, passes);
    const cropsPerSecond = batch / seconds;
    const tflops = (cropsPerSecond * backboneFlops(config.model)) / 1e12;
    results.push({
      batch,
      cropsPerSecond,
      tflops,
      shareOfPeak: tflops / peakTflops,
      usedMemoryMiB: usedMemory(device),
    });
    await session.release();
  }
  return {
    environment: {
      device: await deviceName(device),
      driver: await driverVersion(device),
      onnxRuntime: ORT_VERSION,
      precision,
    },
    peakTflops,
    batches: results,
    perImage: bytesPerImage(config),
  };
}

const TYPICAL = { width: 683, height: 512 };

/** Crops go in and logits come out of the segmenter; they go into the stitcher, and labels come out. */
function bytesPerImage({ model, pipeline }: Config): GpuBench['perImage'] {
  const grid = slideWindows(networkSize(TYPICAL, pipeline.resize), model);
  const crops = grid ? windowCount(grid) : 0;
  const logits = crops * 4 * model.head.classes * logitsSide(model) ** 2;
  const bytesIn = crops * model.backbone.imageSizePx ** 2 * 3 + logits;
  return { crops, bytesIn, bytesOut: logits + TYPICAL.width * TYPICAL.height };
}

/** A chain of square products on the device; one number goes in and one comes out. */
async function matmulTflops(device: Device, dtype: DType, threads: number, passes: number): Promise<number> {
  const side = SIDE[device];
  const graph = new GraphBuilder('peak');
  // Scaled by an input, so that nothing can be computed ahead.
  const scale = graph.input('scale', 'float32', [1]);
  const filled = graph.node('Expand', [scale, graph.ints([side, side])]);
  const matrix = graph.cast(filled, dtype);
  let product: Value = matrix;
  for (let i = 0; i < CHAIN; i++) product = graph.node('MatMul', [product, matrix]);
  graph.output(
    graph.node('ReduceMean', [graph.cast(product, 'float32')], { keepdims: 0 }, 'mean'),
    'float32',
    [],
  );
  const session = await openSession(graph.toBytes(), { device, threads });
  const inputs = { scale: tensor(Float32Array.of(1 / side), [1]) };
  const seconds = await medianSeconds(session, inputs, device, passes);
  await session.release();
  return (CHAIN * 2 * side ** 3) / seconds / 1e12;
}

async function medianSeconds(
  session: InferenceSession,
  inputs: Record<string, Tensor>,
  device: Device,
  passes: number,
): Promise<number> {
  await runSession(session, inputs, device);
  const seconds: number[] = [];
  for (let pass = 0; pass < passes; pass++) {
    const start = performance.now();
    await runSession(session, inputs, device);
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(passes / 2)]!;
}

function usedMemory(device: Device): number | null {
  if (device === 'cpu') return Math.round(process.memoryUsage().rss / 2 ** 20);
  try {
    const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits'];
    return Number(execFileSync('nvidia-smi', query).toString().split('\n')[0]);
  } catch {
    return null;
  }
}
