import { expect, test } from 'vitest';
import { Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession, runSession } from '../../../activities/onnx/session.ts';
import { resizeTo } from '../../../core/model/layers.ts';
import { type LossShape, lossTargets, segmentationLoss } from '../../../core/model/segmentation-loss.ts';
import { differentiate } from '../../../core/onnx/differentiate.ts';
import { GraphBuilder } from '../../../core/onnx/graph.ts';
import { drawsAt } from '../../../core/train/draws.ts';

const SHAPE: LossShape = { batch: 2, classes: 5, side: 4, size: 10, device: 'cpu' };
/** Of 26 rows and fewer that fit a CPU's tile, 21 divide the side: six tiles. On a GPU, it is one. */
const LARGE: LossShape = { ...SHAPE, classes: 150, side: 9, size: 126 };
const WEIGHT = 0.4;

/** Logits, and labels of which a third are ignored. */
function inputs({ batch, classes, side, size }: LossShape, scale = 1) {
  const draws = drawsAt(3, 'loss');
  const logits = Float32Array.from({ length: batch * classes * side * side }, () => scale * draws.normal());
  const labels = Uint8Array.from({ length: batch * size * size }, () =>
    draws.uniform() < 1 / 3 ? 255 : draws.integer(0, classes),
  );
  return {
    logits: new Tensor('float32', logits, [batch, classes, side, side]),
    labels: new Tensor('uint8', labels, [batch, size, size]),
  };
}

async function run(graph: GraphBuilder, feeds: Record<string, Tensor>) {
  const session = await openSession(graph.toBytes(), { device: 'cpu', threads: 1 });
  const outputs = await runSession(session, feeds, 'cpu');
  await session.release();
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
}

function fused(shape: LossShape) {
  const { batch, classes, side, size } = shape;
  const graph = new GraphBuilder('fused');
  const logits = graph.input('logits', 'float32', [batch, classes, side, side]);
  const targets = lossTargets(graph, graph.input('labels', 'uint8', [batch, size, size]));
  const loss = segmentationLoss(graph, 'decode', logits, targets, shape, WEIGHT);
  graph.output(loss.loss, 'float32', [batch, loss.tiles]);
  graph.output(loss.correct, 'float32', [batch, loss.tiles]);
  const gradient = graph.node('Identity', [loss.gradient], {}, 'gradient');
  graph.output(gradient, 'float32', [batch, classes, side, side]);
  return graph;
}

/** The original's own chain at full size, differentiated by the rules. */
function textbook({ batch, classes, side, size }: LossShape) {
  const graph = new GraphBuilder('textbook');
  const logits = graph.input('logits', 'float32', [batch, classes, side, side]);
  const labels = graph.cast(graph.input('labels', 'uint8', [batch, size, size]), 'int64');
  const full = resizeTo(graph, logits, [batch, classes, size, size]);
  graph.shapes.set(labels, [batch, size, size]);
  const attributes = { reduction: 'none', ignore_index: 255 };
  const losses = graph.node('SoftmaxCrossEntropyLoss', [full, labels], attributes, 'losses');
  const best = graph.node('ArgMax', [full], { axis: 1, keepdims: 0 });
  const correct = graph.cast(graph.node('Equal', [best, labels]), 'float32', 'isCorrect');
  const mean = new Float32Array(batch * size * size).fill(WEIGHT / (batch * size * size));
  const seed = graph.constant('seed', 'float32', [batch, size, size], mean);
  const [gradient] = differentiate(graph, [[losses, seed]], [logits]);
  for (const value of [losses, correct]) graph.output(value, 'float32', [batch, size, size]);
  graph.output(graph.node('Identity', [gradient!], {}, 'gradient'), 'float32', [batch, classes, side, side]);
  return graph;
}

const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

test.each([
  ['an image of several tiles', LARGE, 6],
  ['the same for a GPU', { ...LARGE, device: 'cuda' as const }, 1],
  ['an odd side', { ...SHAPE, size: 7 }, 1],
  ['logits as large as the labels', { ...SHAPE, side: 10 }, 1],
])('in tiles it gives what the whole chain gives: %s', async (_, shape, tiles) => {
  const feeds = inputs(shape);
  const [actual, expected] = [await run(fused(shape), feeds), await run(textbook(shape), feeds)];
  expect(actual.decode_loss).toHaveLength(shape.batch * tiles);
  const pixels = shape.batch * shape.size ** 2;
  expect(sum(actual.decode_loss!)).toBeCloseTo(sum(expected.losses!) / pixels, 5);
  expect(sum(actual.decode_correct!)).toBe(sum(expected.isCorrect!));
  for (const [i, slope] of expected.gradient!.entries()) expect(actual.gradient![i]).toBeCloseTo(slope, 7);
});

test('pixels whose class is hopeless leave loss and gradient finite', async () => {
  const feeds = inputs(SHAPE, 1000);
  const { decode_loss: loss, gradient } = await run(fused(SHAPE), feeds);
  expect(sum(loss!)).toBeGreaterThan(10);
  expect([...loss!, ...gradient!].every(Number.isFinite)).toBe(true);
});

test('a logit that is not a number makes the loss not a number', async () => {
  const feeds = inputs(SHAPE);
  (feeds.logits.data as Float32Array)[0] = Number.NaN;
  const { decode_loss: loss } = await run(fused(SHAPE), feeds);
  expect(sum(loss!)).toBeNaN();
});

test('labels that are all to be ignored cost nothing and teach nothing', async () => {
  const feeds = inputs(SHAPE);
  (feeds.labels.data as Uint8Array).fill(255);
  const { decode_loss: loss, gradient } = await run(fused(SHAPE), feeds);
  expect(sum(loss!)).toBeCloseTo(0, 12);
  expect(gradient!.every((slope) => slope === 0)).toBe(true);
});
