import { decode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { listConfigs, loadVitConfig } from '../../../activities/plan/load-config.ts';
import { vitConfig } from '../../../core/config/model-kinds.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import { scaleConfig } from '../../../core/config/scale-config.ts';
import { total } from '../../../core/metric/confusion-matrix.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { stagedSet } from '../../builders.ts';
import { openEvaluator, shardTask } from './shard-task.ts';

const rows = (await listConfigs()).filter((name) => name.includes('intern_vit_6b_504'));
const SCALE = { imageSizePx: 56, embedDim: 16, heads: 2, headChannels: 8 };

test("the original's table has eight rows", () => {
  expect(rows).toHaveLength(8);
});

describe.each(rows)('%s', (name) => {
  test('resolves to the dimensions of the 6B', async () => {
    const { model, reproduces } = await loadVitConfig(name);
    expect(model.backbone).toMatchObject({
      embedDim: 3200,
      depth: 48,
      heads: 25,
      mlpRatio: 4,
      imageSizePx: 504,
    });
    expect(model.test).toEqual({ mode: 'slide', cropPx: 504, stridePx: 322 });
    expect(reproduces?.mIoU).toBeGreaterThan(46);
    const isUperNet = name.includes('upernet');
    expect(model.head).toMatchObject(
      isUperNet ? { type: 'upernet', channels: 1536 } : { type: 'linear', channels: 3200 },
    );
    expect(model.backbone.taps).toEqual(
      isUperNet ? [11, 23, 35, 47] : [name.includes('linear_probing') ? 44 : 47],
    );
  });

  test('runs at a smaller scale, blocks and taps as they are', async () => {
    const config = vitConfig(parseConfig(scaleConfig(await loadVitConfig(name), SCALE), name));
    const set = await stagedSet({
      model: config.model,
      sizes: [
        [60, 40],
        [56, 56],
        [120, 44],
      ],
    });
    const task = await shardTask(set, { config });
    const { evaluate } = openEvaluator(set.store);
    const result = await evaluate({ ...task, batch: 2 });
    expect(result.images).toHaveLength(3);
    const matrix = decodeMatrix(result.matrix);
    // Each labelled pixel once, and more than one class told apart.
    expect(total(matrix)).toBe(labelledPixels(set));
    const predicted = new Set<number>();
    for (let i = 0; i < matrix.counts.length; i++) if (matrix.counts[i]) predicted.add(i % matrix.classes);
    expect(predicted.size).toBeGreaterThan(1);
  });
});

/** Of all its annotations; 0 is no label there. */
function labelledPixels({ objects }: Awaited<ReturnType<typeof stagedSet>>): number {
  return [...objects]
    .filter(([uri]) => uri.includes('/annotations/'))
    .reduce((sum, [, bytes]) => sum + decode(bytes).data.filter((label) => label !== 0).length, 0);
}

test('rows of a part of the images fit them into a box; the others scale the short side', async () => {
  const box = { type: 'fit', longPx: 2016, shortPx: 504, multiplePx: 14 };
  const shortSide = { type: 'short-side', shortSidePx: 504, multiplePx: 14 };
  const resizes = await Promise.all(rows.map(async (name) => (await loadVitConfig(name)).pipeline.resize));
  // InternVL's `_base_/datasets/ade20k_504x504_1of{16,8,4,2}.py` beside its `ade20k_504x504.py`.
  for (const [i, name] of rows.entries())
    expect(resizes[i], name).toEqual(/_1of(16|8|4|2)$/.test(name) ? box : shortSide);
});
