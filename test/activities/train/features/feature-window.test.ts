import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FeatureWindow, type Group, slotsOf } from '../../../../activities/train/features/feature-window.ts';
import { tinyTraining } from './tiny-training.ts';

const config = tinyTraining();
const open = (options: Partial<ConstructorParameters<typeof FeatureWindow>[0]> = {}) =>
  new FeatureWindow({ config, first: 3, end: 9, steps: 2, bytes: 1e9, ...options });

function bring(window: FeatureWindow, { step, group }: Group): void {
  for (const slot of slotsOf({ step, group }, config)) {
    window.place(step, slot)?.labels.fill(10 * step + slot);
    window.put(step, slot);
  }
}

function takeAll(window: FeatureWindow): Group[] {
  const groups: Group[] = [];
  for (let group = window.take(); group; group = window.take()) groups.push(group);
  return groups;
}

test('no more groups are given out than the window has steps, or its bytes allow, but one step always', () => {
  expect(takeAll(open())).toHaveLength(2 * 3);
  expect(takeAll(open({ bytes: 1 }))).toHaveLength(3);
  expect(takeAll(open({ first: 8 }))).toHaveLength(3);
});

test('a group that came back is the next one to be given out', () => {
  const window = open();
  const [first, second] = takeAll(window) as [Group, Group];
  window.giveBack(second);
  window.giveBack(first);
  expect(takeAll(window)).toEqual([first, second]);
});

test('a group that came back is not given out when another worker has brought it', () => {
  const window = open();
  const [first] = takeAll(window) as [Group];
  window.giveBack(first);
  bring(window, first);
  expect(window.take()).toBeNull();
});

test('a crop that comes twice, or after its batch was taken, has no place', () => {
  const window = open();
  for (const group of takeAll(window)) bring(window, group);
  expect(window.place(3, 0)).toBeNull();
  expect(window.shift()?.step).toBe(3);
  expect(window.place(3, 0)).toBeNull();
});

test('whatever comes when, or never, batches are whole, in order, and within the window', () => {
  const event = fc.oneof(
    fc.constant('take' as const),
    fc.constant('shift' as const),
    fc.record({ lose: fc.nat() }),
    fc.record({ bring: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 1, max: 4 }), (events, steps) => {
      const window = open({ steps });
      const held: Group[] = [];
      const taken: number[] = [];
      const shift = () => {
        const batch = window.shift();
        if (!batch) return;
        taken.push(batch.step);
        const perCrop = batch.labels.length / config.train.batch;
        batch.labels.forEach((label, i) => {
          if (label !== 10 * batch.step + Math.floor(i / perCrop))
            throw new Error('a crop is not in its place');
        });
      };
      const pick = (n: number) => held.splice(n % held.length, 1)[0]!;
      for (const happens of events) {
        if (happens === 'take') held.push(...[window.take()].filter((group) => group !== null));
        else if (happens === 'shift') shift();
        else if (held.length === 0) continue;
        else if ('lose' in happens) window.giveBack(pick(happens.lose));
        else bring(window, pick(happens.bring));
        expect(window.openSteps).toBeLessThanOrEqual(steps);
      }
      // In the end everything comes.
      for (let round = 0; round < 6; round++) {
        for (const group of [...held.splice(0), ...takeAll(window)]) bring(window, group);
        for (let i = 0; i < steps; i++) shift();
      }
      expect(taken).toEqual([3, 4, 5, 6, 7, 8]);
    }),
  );
});
