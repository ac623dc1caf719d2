import type { Config } from '../config/config.ts';
import { GraphBuilder, type Value } from '../onnx/graph.ts';
import { gridSide, tokensPerImage, vitOf } from './backbone.ts';
import { featurePyramid } from './feature-pyramid.ts';
import { logitsSide } from './head.ts';
import { linearHead } from './linear-head.ts';
import { CROPS, LOGITS, normalize, type SegmenterOptions } from './segmenter-graph.ts';
import { upernetHead } from './upernet-head.ts';
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

type Model = Config['model'];
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
      step.graph.output(feature, 'float32', tapShape(config.model, batch));
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

/** The head over the taps, in one step; UperNet's pyramid, which is as big, in one of its own before it. */
export function* headSteps({ config, weights, batch }: StepOptions): Generator<GraphStep, void, undefined> {
  const { model } = config;
  const { backbone, head } = model;
  const taps = backbone.taps.map((_, tap) => `tap${tap}`);
  const graph = new GraphBuilder('head');
  const ctx = { graph, weights, batchNormEps: head.batchNormEps };
  const finish = (inputs: string[], logits: Value): GraphStep => {
    const side = logitsSide(model);
    graph.output(logits, 'float32', [batch, head.classes, side, side]);
    return { name: `${head.type} head`, inputs, outputs: [LOGITS], model: graph.toBytes() };
  };
  if (head.type === 'linear') {
    const [tap] = taps as [string];
    yield finish([tap], linearHead(ctx, graph.input(tap, 'float32', tapShape(model, batch))));
    return;
  }
  const pyramid = new GraphBuilder('pyramid');
  const features = taps.map((tap) => pyramid.input(tap, 'float32', tapShape(model, batch)));
  const grid = gridSide(backbone);
  const sides = [4 * grid, 2 * grid, grid, Math.floor(grid / 2)];
  const shapes = sides.map((side) => [batch, backbone.embedDim, side, side]);
  const levels = featurePyramid(pyramid, weights, features);
  for (const [i, level] of levels.entries()) pyramid.output(level, 'float32', shapes[i]!);
  yield { name: 'feature pyramid', inputs: taps, outputs: levels, model: pyramid.toBytes() };
  const inputs = levels.map((level, i) => graph.input(level, 'float32', shapes[i]!));
  yield finish(levels, upernetHead(ctx, head, batch, inputs, sides));
}

function tapShape({ backbone }: Model, batch: number): number[] {
  const side = gridSide(backbone);
  return [batch, backbone.embedDim, side, side];
}
