import { describe, expect, test } from 'vitest';
import { isTrained } from '../../../../core/train/trainable.ts';
import { temporaryFolder } from '../../../infra/observe.ts';
import { openTinyBackbone } from '../features/tiny-training.ts';
import { trainable } from '../training-run.ts';
import { imagesOf, tinyChain } from './tiny-chain.ts';

/** Every parameter of the tiny model, with drop path and layer decay. */
const all = (...overrides: string[]) =>
  trainable(
    'train.trainable=all',
    'train.dropPathRate=0.3',
    'train.optimizer.layerDecayRate=0.9',
    'run.batch=2',
    ...overrides,
  );
const UPERNET = [
  'model.head={"type":"upernet","channels":8,"poolScales":[1,2],"classes":150}',
  'model.auxiliaryHead={"channels":8,"level":1,"classes":150}',
  'model.backbone.depth=4',
  'model.backbone.taps=[0,1,2,3]',
];
const DINOV3 = [
  'model.backbone={"type":"DINOv3","imageSizePx":28,"patchSizePx":14,"embedDim":16,"depth":2,"heads":2,' +
    '"hiddenChannels":24,"taps":[0,1]}',
  'model.head.channels=32',
];

type Config = ReturnType<typeof all>;

async function trained(config: Config, options: { threads?: number; steps?: number } = {}) {
  using chain = await tinyChain(config, options);
  const losses = Array.from({ length: options.steps ?? 3 }, (_, step) => chain.step(step).sums);
  return { losses, state: chain.state() };
}

/**
 * The largest difference of two states, as a part of the largest number of each tensor.
 *
 * @param least largest number that counts: what is smaller is rounding of zero
 */
function distance(a: Map<string, Float32Array>, b: Map<string, Float32Array>, least = 1e-6): number {
  let largest = 0;
  for (const [name, values] of a) {
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), least);
    for (const [i, value] of values.entries())
      largest = Math.max(largest, Math.abs(value - b.get(name)![i]!) / scale);
  }
  return largest;
}

describe.each([
  ['a linear head', all()],
  ['UperNet on four taps', all(...UPERNET)],
  ['DINOv3 with registers on two taps', all(...DINOV3)],
])('training every parameter below %s', (_, config) => {
  test('gives the same bits for any number of threads', async () => {
    const expected = await trained(config);
    for (const threads of [2, 3]) expect(await trained(config, { threads })).toEqual(expected);
  });

  test('differs by rounding alone if a step is computed in 1, 2 or 4 groups', async () => {
    const [four, two, one] = await Promise.all(
      [1, 2, 4].map((batch) => trained({ ...config, run: { ...config.run, batch } }, { steps: 1 })),
    );
    for (const other of [two, one]) {
      expect(other!.losses[0]!.decode!.loss).toBeCloseTo(four!.losses[0]!.decode!.loss, 5);
      // Moments are the gradients themselves.
      const moments = (state: Map<string, Float32Array>) =>
        new Map([...state].filter(([name]) => name.endsWith('first')));
      expect(distance(moments(four!.state), moments(other!.state))).toBeLessThan(1e-3);
    }
  });

  test('gives the same bits with its state on the host', async () => {
    const onHost = { ...config, run: { ...config.run, state: 'host' as const } };
    expect(await trained(onHost)).toEqual(await trained(config));
  });

  test('goes on from a state to the same bits', async () => {
    const straight = await trained(config, { steps: 3 });
    const half = await trained(config, { steps: 2 });
    using chain = await tinyChain(config, { threads: 2 });
    for (const name of new Set([...half.state.keys()].map((key) => key.split(' ')[0]!))) {
      const part = (key: string) => half.state.get(`${name} ${key}`)!;
      const moments = isTrained(config, name) ? { first: part('first'), second: part('second') } : {};
      chain.chain.state.put({ name, data: part('value'), ...moments });
    }
    chain.step(2);
    expect(chain.state()).toEqual(straight.state);
  });

  test('changes nothing in a step that diverges', async () => {
    using chain = await tinyChain(config);
    const before = chain.state();
    const { isSound } = chain.step(0, [imagesOf(config, 0).fill(Number.NaN)]);
    expect(isSound).toBe(false);
    expect(chain.state()).toEqual(before);
  });

  test('moves every parameter', async () => {
    const { state } = await trained(config, { steps: 2 });
    using untouched = await tinyChain(config);
    for (const [name, values] of untouched.state())
      if (name.endsWith('value')) expect(state.get(name), name).not.toEqual(values);
  });
});

test('a key without bias stays without', async () => {
  const config = all(...DINOV3);
  using chain = await tinyChain(config);
  const name = 'backbone.blocks.1.attn.qkv.bias';
  chain.chain.state.put({ name, data: new Float32Array(48).fill(0.5).fill(0, 16, 32) });
  for (let step = 0; step < 2; step++) chain.step(step);
  const bias = chain.chain.state.part(name, 'value');
  expect(bias.subarray(16, 32)).toEqual(new Float32Array(16));
  expect(bias.subarray(0, 16)).not.toContain(0.5);
});

describe('training the upper blocks', () => {
  const config = all('train.trainable=["backbone.blocks.1.*"]');

  test('gives their parameters the same gradients as training everything', async () => {
    const gradients = new Map<string, Float32Array>();
    const record = new Map<string, Float32Array>();
    const observe = (into: Map<string, Float32Array>) => ({
      gradient: (name: string, gradient: { data: unknown }) =>
        void into.set(name, Float32Array.from(gradient.data as Float32Array)),
    });
    using whole = await tinyChain(all(), { observer: observe(record) });
    whole.step(0);
    await using backbone = await openTinyBackbone(temporaryFolder(), config);
    const images = imagesOf(config, 0);
    const half = images.length / 2;
    const groups = [
      await backbone.extract(images.slice(0, half)),
      await backbone.extract(images.slice(half)),
    ];
    const tokens = Float32Array.from([...groups[0]![0]!, ...groups[1]![0]!]);
    using upper = await tinyChain(config, { observer: observe(gradients) });
    upper.step(0, [tokens]);
    expect([...gradients.keys()].some((name) => name.startsWith('backbone.blocks.1.'))).toBe(true);
    expect([...gradients.keys()].some((name) => name.startsWith('backbone.blocks.0.'))).toBe(false);
    for (const [name, gradient] of gradients)
      expect(distance(new Map([[name, gradient]]), record, 1e-3), name).toBeLessThan(1e-4);
  });
});
