import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession, runSession, tensor } from '../../activities/onnx/session.ts';
import { elementCount, ITEM_BYTES } from '../../core/checkpoint/dtypes.ts';
import type { VitConfig, VitModel } from '../../core/config/model-kinds.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { featuresGraph, IMAGES } from '../../core/model/features-graph.ts';
import { evaluatedModel } from '../../core/model/head.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';
import { CROPS, segmenterGraph } from '../../core/model/segmenter-graph.ts';
import { type TensorLoader, type WeightLoader, weightLoader } from '../../core/model/weights.ts';
import { deviceMemory } from './trace.ts';

/** Bytes that ONNX Runtime's arena has taken on the device: once a model is open, and at the most in its runs. */
export interface CountedMemory {
  open: number;
  peak: number;
}

/** The segmenter at its true sizes, `run.batch` crops. */
export function countSegmenter(config: VitConfig, memoryPattern?: boolean): Promise<CountedMemory> {
  const model = evaluatedModel(config.model);
  const { batch, precision } = config.run;
  const side = model.backbone.imageSizePx;
  return withWeights(model, (weights) => ({
    graph: segmenterGraph({ config: { ...config, model }, weights, batch, precision }),
    feeds: { [CROPS]: tensor(new Uint8Array(batch * side * side * 3), [batch, side, side, 3]) },
    memoryPattern,
  }));
}

/** The backbone of a feature worker, `run.batch` crops. */
export function countFeatures(config: TrainableConfig, memoryPattern?: boolean): Promise<CountedMemory> {
  const { batch } = config.run;
  const side = config.model.backbone.imageSizePx;
  return withWeights(config.model, (weights) => ({
    graph: featuresGraph({ config, weights, batch }),
    feeds: { [IMAGES]: zeros([batch, side, side, 3]) },
    memoryPattern,
  }));
}

interface Counted {
  feeds: Parameters<typeof runSession>[1];
  memoryPattern: boolean | undefined;
}

/** Weights are a file of holes: it is mapped, and nothing of it is ever read. */
async function withWeights(
  model: VitModel,
  build: (weights: WeightLoader) => Counted & { graph: Uint8Array },
): Promise<CountedMemory> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-weights-'));
  const shapes = new Map(modelSpecs(model).map(({ name, shape }) => [name, shape]));
  let end = 0;
  const load: TensorLoader = (graph, name, dtype, shape = shapes.get(name)!) => {
    const length = elementCount(shape) * ITEM_BYTES[dtype];
    const value = graph.external(name, dtype, shape, { location: 'weights', offset: end, length });
    end += Math.ceil(length / 64) * 64;
    return value;
  };
  const weights = weightLoader(load, {
    has: (name) => shapes.has(name),
    floats: (name) => new Float32Array(elementCount(shapes.get(name)!)).fill(1),
  });
  try {
    const { graph, ...counted } = build(weights);
    writeFileSync(path.join(folder, 'weights'), '');
    truncateSync(path.join(folder, 'weights'), end);
    return await count(graph, { ...counted, dataFolder: folder });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Two runs: a memory pattern takes its block in the second. */
async function count(
  graph: Uint8Array,
  { feeds, memoryPattern, dataFolder }: Counted & { dataFolder: string | null },
): Promise<CountedMemory> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-model-'));
  const file = path.join(folder, 'model.onnx');
  writeFileSync(file, graph);
  const memory = deviceMemory();
  try {
    const options = { device: 'cuda', threads: 1, dataFolder } as const;
    const session = await openSession(file, {
      ...options,
      ...(memoryPattern === undefined ? {} : { memoryPattern }),
    });
    const open = memory.now();
    for (let run = 0; run < 2; run++) await runSession(session, feeds, 'cuda');
    const peak = memory.peak();
    await session.release();
    return { open, peak };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function zeros(shape: number[]) {
  return tensor(new Float32Array(elementCount(shape)), shape);
}
