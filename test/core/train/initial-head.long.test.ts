import { expect, test } from 'vitest';
import { headSpecs } from '../../../core/model/head.ts';
import { initialHead, initialTensor } from '../../../core/train/initial-head.ts';
import { tinyConfig } from '../../builders.ts';

const UPERNET = tinyConfig(
  'model.head={"type":"upernet","channels":64,"poolScales":[1,2],"classes":150}',
  'model.auxiliaryHead={"channels":64,"level":1,"classes":150}',
  'model.backbone.taps=[0,0,1,1]',
  'model.backbone.embedDim=64',
  'model.backbone.heads=2',
);
const head = initialHead(UPERNET, 1);

function data(name: string): Float32Array {
  return head.get(name)!;
}

/** Mean and standard deviation, in a tensor large enough to tell. */
function spread(name: string) {
  const values = data(name);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance) };
}

test('has every tensor of the heads and of the pyramid, in their sizes', () => {
  for (const { name, shape } of headSpecs(UPERNET.model))
    expect(data(name)).toHaveLength(shape.reduce((product, dim) => product * dim, 1));
  expect(head.size).toBe(headSpecs(UPERNET.model).length);
});

test.each([
  // mmseg: normal of 0.01 for the classifier.
  ['decode_head.conv_seg.weight', 0.01],
  ['auxiliary_head.conv_seg.weight', 0.01],
  // mmcv: He's by fan-out, 64 outputs of 3×3 or 1×1.
  ['decode_head.fpn_bottleneck.conv.weight', Math.sqrt(2 / (64 * 9))],
  ['decode_head.lateral_convs.0.conv.weight', Math.sqrt(2 / 64)],
  ['auxiliary_head.convs.0.conv.weight', Math.sqrt(2 / (64 * 9))],
  // InternVL: the same for transposed convolutions, 64 outputs of 2×2.
  ['backbone.up1.0.weight', Math.sqrt(2 / (64 * 4))],
  ['backbone.up1.3.weight', Math.sqrt(2 / (64 * 4))],
  ['backbone.up2.0.weight', Math.sqrt(2 / (64 * 4))],
])('%s is normal around 0, with a deviation of %f', (name, std) => {
  const actual = spread(name);
  expect(Math.abs(actual.std / std - 1)).toBeLessThan(0.04);
  expect(Math.abs(actual.mean / std)).toBeLessThan(0.04);
});

test.each([
  ['decode_head.fpn_bottleneck.bn.weight', 1],
  ['decode_head.fpn_bottleneck.bn.running_var', 1],
  ['backbone.up1.1.weight', 1],
  ['decode_head.fpn_bottleneck.bn.bias', 0],
  ['decode_head.fpn_bottleneck.bn.running_mean', 0],
  ['decode_head.conv_seg.bias', 0],
  ['backbone.up1.0.bias', 0],
  ['backbone.up1.1.bias', 0],
])('%s is %i', (name, value) => {
  expect(new Set(data(name))).toEqual(new Set([value]));
});

test('the linear head begins with an identity norm and a small classifier', () => {
  const linear = initialHead(tinyConfig(), 0);
  expect(new Set(linear.get('decode_head.norm.weight')!)).toEqual(new Set([1]));
  expect(new Set(linear.get('decode_head.norm.running_var')!)).toEqual(new Set([1]));
  expect(Math.max(...linear.get('decode_head.conv_seg.weight')!)).toBeLessThan(0.06);
});

test('a tensor depends on the seed and its name, not on what else there is', () => {
  const without = initialHead({ model: { ...UPERNET.model, auxiliaryHead: undefined } }, 1);
  const name = 'decode_head.fpn_bottleneck.conv.weight';
  expect(without.get(name)).toEqual(head.get(name));
  expect(initialHead(UPERNET, 2).get(name)).not.toEqual(head.get(name));
  expect(data('backbone.up1.0.weight')).not.toEqual(data('backbone.up1.3.weight'));
});

test('is made in pieces that never hold up a heartbeat for long, however large a tensor is', () => {
  const { model } = tinyConfig(
    'model.head={"type":"upernet","channels":512,"poolScales":[1,2],"classes":150}',
    'model.backbone.taps=[0,0,1,1]',
  );
  const numbers = headSpecs(model).map(({ shape }) => shape.reduce((product, dim) => product * dim, 1));
  expect(Math.max(...numbers)).toBeGreaterThan(4e6);
  const pieces = headSpecs(model).flatMap((spec) => [...initialTensor(spec, 1)]).length;
  expect(numbers.reduce((sum, count) => sum + count, 0) / pieces).toBeLessThan(2e6);
});
