import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { TrainConfig } from '../../../core/config/train.ts';
import { historyEvents, logSampling } from '../../../core/train/segments.ts';
import { trainable } from '../../activities/train/training-run.ts';

function recipe(...overrides: string[]): TrainConfig {
  return trainable(...overrides).train;
}

test('the events of a training are estimated as they were recorded, and rather too many than too few', () => {
  // Two workers, 20 steps, each of which is logged.
  const { events } = JSON.parse(
    readFileSync(new URL('../../replay/recorded-training.json', import.meta.url), 'utf8'),
  );
  const estimate = historyEvents(recipe('train.logEvery=1'), 2);
  expect(estimate).toBeGreaterThanOrEqual(events.length);
  expect(estimate).toBeLessThan(1.25 * events.length);
});

test('of a long log a thousand lines are told, and counted', () => {
  const long = recipe('train.steps=80000', 'train.logEvery=1');
  const isTold = logSampling(long);
  const told = Array.from({ length: 80_000 }, (_, i) => i + 1).filter(isTold).length;
  expect(told).toBe(1_000);
  const silent = recipe('train.steps=80000', 'train.logEvery=80001');
  expect(historyEvents(long, 1) - historyEvents(silent, 1)).toBe(4 * told);
});
