import { expect, test } from 'vitest';
import { type ParameterGroup, parameterGroups } from '../../../core/train/parameter-groups.ts';
import { trainedSpecs } from '../../../core/train/trainable.ts';
import { tinyConfig } from '../../builders.ts';
import LAYER_DECAY_GROUPS from './layer-decay-groups.json' with { type: 'json' };

const OPTIMIZER = { weightDecay: 0.05, layerDecayRate: 0.95 };

function groupOf(name: string, ...shape: number[]) {
  return parameterGroups(OPTIMIZER, 48, [{ name, shape }]).get(name);
}

test('matrices and kernels decay; vectors and biases do not', () => {
  expect(groupOf('decode_head.conv_seg.weight', 150, 16, 1, 1)?.weightDecay).toBe(0.05);
  expect(groupOf('decode_head.conv_seg.bias', 150)?.weightDecay).toBe(0);
  expect(groupOf('decode_head.norm.weight', 16)?.weightDecay).toBe(0);
});

test('position embedding and class token decay: the original means to spare them, and misses their names', () => {
  expect(groupOf('backbone.pos_embed', 1, 1297, 16)).toMatchObject({
    name: 'layer_0_decay',
    weightDecay: 0.05,
  });
  expect(groupOf('backbone.cls_token', 1, 1, 16)).toMatchObject({ name: 'layer_0_decay', weightDecay: 0.05 });
});

test('each block learns a little slower than the one above; heads and pyramid at the full rate', () => {
  expect(groupOf('backbone.patch_embed.proj.weight', 16, 3, 14, 14)?.lrScale).toBeCloseTo(0.95 ** 49, 12);
  expect(groupOf('backbone.blocks.0.attn.qkv.weight', 48, 16)).toMatchObject({ name: 'layer_1_decay' });
  expect(groupOf('backbone.blocks.0.attn.qkv.weight', 48, 16)?.lrScale).toBeCloseTo(0.95 ** 48, 12);
  expect(groupOf('backbone.blocks.47.norm1.weight', 16)?.lrScale).toBeCloseTo(0.95, 12);
  for (const name of [
    'backbone.up1.0.weight',
    'decode_head.bottleneck.conv.weight',
    'auxiliary_head.conv_seg.weight',
  ])
    expect(groupOf(name, 16, 16, 2, 2)).toMatchObject({ name: 'layer_49_decay', lrScale: 1 });
});

test('running statistics are in no group', () => {
  expect(groupOf('decode_head.norm.running_mean', 16)).toBeUndefined();
  expect(groupOf('decode_head.norm.running_var', 16)).toBeUndefined();
});

test('the groups of a whole UperNet with its backbone are those that the original’s constructor makes', () => {
  // Golden's full_training/full/optimizer.json: what the original's own optimizer held, by group.
  const model = tinyConfig(
    'model.backbone.embedDim=24',
    'model.backbone.depth=4',
    'model.backbone.taps=[0,1,2,3]',
    'model.head={"type":"upernet","channels":16,"poolScales":[1,2,3,6],"classes":150}',
    'model.auxiliaryHead={"channels":16,"level":2,"classes":150}',
  ).model;
  const specs = trainedSpecs({ model, train: { trainable: 'all' } });
  const groups = parameterGroups(OPTIMIZER, 4, specs);
  const expected = LAYER_DECAY_GROUPS.flatMap(({ parameters, ...group }) =>
    parameters.map((name): [string, ParameterGroup] => [name, group]),
  );
  expect(groups).toEqual(new Map(expected));
});
