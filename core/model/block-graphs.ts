import type { VitModel } from '../config/model-kinds.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { tokensPerImage, vitOf } from './backbone.ts';
import { headType, levelSides, logitsSide, tapShape } from './head.ts';
import { CROPS, LOGITS, normalize, type SegmenterOptions } from './segmenter-graph.ts';
import { embedding, tapFeature, transformerBlock, type VitContext } from './vit-graph.ts';

/**
 * One piece of the segmenter: a model of its own. Its inputs are earlier pieces' outputs, by name; all are float32
 * but the first one's crops.
 */
export interface GraphStep {
  name: string;
  inputs: string[];
  outputs: string[];
  /** The ONNX model file's bytes; weights stay in the checkpoints. */
  model: Uint8Array;
}

type Model = VitModel;
/** Always float32 inside: half precision is for GPUs, and those hold the whole network. */
type StepOptions = Omit<SegmenterOptions, 'stages' | 'precision'>;

/**
 * The same network as `segmenterGraph`, a block at a time: for a machine that holds one block, and not all of them.
 * Crops in, `tap0` … out. A step is made when it is asked for.
 */
export function* backboneSteps({
  config,
  weights,
  batch,
}: StepOptions): Generator<GraphStep, void, undefined> {
  const { backbone } = config.model;
  const shape = [batch * tokensPerImage(backbone), backbone.embedDim];
  const vit = vitOf(backbone);
  const context = (name: string): VitContext => {
    const graph = new GraphBuilder(name);
    return { graph, weights, vit, batch, dtype: 'float32' };
  };
  const size = backbone.imageSizePx;
  const first = context('embedding');
  const crops = first.graph.input(CROPS, 'uint8', [batch, size, size, 3]);
  let at = embedding(first, normalize(first.graph, crops, config.pipeline));
  first.graph.output(at, 'float32', shape);
  yield { name: 'embedding', inputs: [CROPS], outputs: [at], model: first.graph.toBytes() };

  const last = Math.max(...backbone.taps);
  for (let block = 0; block <= last; block++) {
    const step = context(`block ${block}`);
    const x = transformerBlock(step, step.graph.input(at, 'float32', shape), block);
    const outputs: string[] = [];
    const tap = backbone.taps.indexOf(block);
    if (tap >= 0) {
      const feature = tapFeature(step, x, tap);
      step.graph.output(feature, 'float32', tapSize(config.model, batch));
      outputs.push(feature);
    }
    const inputs = [at];
    if (block < last) {
      step.graph.output(x, 'float32', shape);
      outputs.push(x);
    }
    at = x;
    yield { name: `block ${block}`, inputs, outputs, model: step.graph.toBytes() };
  }
}

/** The head over the taps, in one step; a neck, which is as big, in one of its own before it. */
export function* headSteps({ config, weights, batch }: StepOptions): Generator<GraphStep, void, undefined> {
  const { model } = config;
  const { backbone, head } = model;
  const { neck, levels, graph: build } = headType(head);
  const shape = tapShape(model);
  const size = (side: number) => [batch, backbone.embedDim, side, side];
  const sides = levelSides(model);
  let maps = backbone.taps.map((_, tap) => `tap${tap}`);
  if (neck) {
    const graph = new GraphBuilder('neck');
    const inputs = maps.map((tap) => graph.input(tap, 'float32', size(shape.grid)));
    const made = neck.graph(graph, weights, inputs);
    for (const [i, map] of made.entries()) graph.output(map, 'float32', size(sides[i]!));
    yield { name: 'neck', inputs: maps, outputs: made, model: graph.toBytes() };
    maps = made;
  }
  const graph = new GraphBuilder('head');
  const inputs = maps.map((map, i) => graph.input(map, 'float32', size(sides[i]!)));
  const ctx = { graph, weights, batchNormEps: head.batchNormEps };
  const sized = { ...shape, batch };
  const logits = build(ctx, head, sized, levels?.(ctx, head, sized, inputs) ?? inputs);
  const side = logitsSide(model);
  graph.output(logits, 'float32', [batch, head.classes, side, side]);
  yield { name: `${head.type} head`, inputs: maps, outputs: [LOGITS], model: graph.toBytes() };
}

function tapSize(model: Model, batch: number): number[] {
  const { embedDim, grid } = tapShape(model);
  return [batch, embedDim, grid, grid];
}
