import { expect, test } from 'vitest';
import { differences } from '../../../core/config/differences.ts';
import type { TrainableConfig } from '../../../core/config/train-run.ts';
import { recipeOf } from '../../../core/train/recipe.ts';
import { tinyConfig } from '../../builders.ts';

const OBJECTS = { weights: { sha256: 'a' }, dataset: { sha256: 'b' } };

function recipe(train: object, ...overrides: string[]) {
  const { train: _, ...config } = tinyConfig(...overrides);
  const defaults = { trainable: 'head', dropPathRate: 0, steps: 10 };
  return recipeOf({ config: { ...config, train: { ...defaults, ...train } } as TrainableConfig, ...OBJECTS });
}

test('a head’s recipe is as earlier versions wrote it, so that their checkpoints resume', () => {
  expect(recipe({}).train).toEqual({ steps: 10 });
});

test('what trains and drop path belong to a recipe; intervals and workers do not', () => {
  expect(differences(recipe({}), recipe({ trainable: 'all', dropPathRate: 0.4 }))).toEqual([
    { path: 'train.trainable', before: 'nothing', now: '"all"' },
    { path: 'train.dropPathRate', before: 'nothing', now: '0.4' },
  ]);
  expect(recipe({ logEvery: 7, checkpointEvery: 8 }, 'run.workers=5')).toEqual(recipe({}));
});
