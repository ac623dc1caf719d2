import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TrainSchema } from '../../../core/config/train.ts';
import { learningRate } from '../../../core/train/schedule.ts';

const train = (schedule: object) =>
  TrainSchema.parse({
    steps: 100,
    batch: 2,
    data: {},
    checkpointEvery: 1,
    evaluateEvery: 1,
    optimizer: { type: 'adamw', lr: 0.01, weightDecay: 0 },
    schedule: { type: 'poly', warmup: { steps: 10, ratio: 0.1 }, ...schedule },
    augmentation: { longPx: 56, shortPx: 14 },
  });

test('warms up from its ratio, peaks at the end of the warm-up, and falls to the least', () => {
  const rates = Array.from({ length: 101 }, (_, step) => learningRate(train({ minLr: 0.001 }), step));
  expect(rates[0]).toBeCloseTo(0.001, 12);
  expect(rates.indexOf(Math.max(...rates))).toBe(10);
  expect(rates[10]).toBeCloseTo(0.001 + 0.009 * 0.9, 12);
  expect(rates[100]).toBeCloseTo(0.001, 12);
});

test('without a warm-up, begins at the full rate', () => {
  expect(learningRate(train({ warmup: { steps: 0, ratio: 1 } }), 0)).toBe(0.01);
});

test("a power bends the fall: at half of the steps it is half to the power's", () => {
  const power = fc.double({ min: 0.1, max: 4, noNaN: true });
  fc.assert(
    fc.property(power, (p) => {
      expect(learningRate(train({ power: p }), 50)).toBeCloseTo(0.01 * 0.5 ** p, 12);
    }),
  );
});

test("a group's scale changes the rate, but not the least one", () => {
  expect(learningRate(train({ minLr: 0.001 }), 100, 0.5)).toBeCloseTo(0.001, 12);
  expect(learningRate(train({}), 50, 0.5)).toBeCloseTo(learningRate(train({}), 50) / 2, 12);
});
