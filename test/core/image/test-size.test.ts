import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ResizeConfig } from '../../../core/config/config.ts';
import { networkSize, type Size, testSizes } from '../../../core/image/test-size.ts';
import { goldenFolder } from '../../golden-folder.ts';

const PREPROCESSING = join(goldenFolder(), 'preprocessing');
const shortSide = (shortSidePx: number): ResizeConfig => ({
  type: 'short-side',
  shortSidePx,
  multiplePx: 14,
});
const heightWidth = ({ width, height }: Size) => [height, width];

test("every size goes through the original's two sizes", () => {
  const { rows } = JSON.parse(readFileSync(join(PREPROCESSING, 'resize_sizes.json'), 'utf8'));
  expect(rows.length).toBeGreaterThan(100);
  const ours = rows.map(([crop, height, width]: number[]) => {
    const sizes = testSizes({ width: width!, height: height! }, shortSide(crop!));
    return [crop, height, width, ...sizes.flatMap(heightWidth)];
  });
  expect(ours).toEqual(rows);
});

test('test-time augmentation never makes the short side smaller than the crop', () => {
  const { crop56_aug: cases } = JSON.parse(readFileSync(join(PREPROCESSING, 'cases.json'), 'utf8'));
  const ratios = [0.5, 0.75, 1, 1.25, 1.5, 1.75].flatMap((ratio) => [ratio, ratio]);
  for (const { ori_shape, views } of Object.values(cases) as { ori_shape: number[]; views: View[] }[]) {
    const original = { height: ori_shape[0]!, width: ori_shape[1]! };
    const ours = views.map((_, i) => testSizes(original, shortSide(56), ratios[i]).map(heightWidth));
    expect(ours).toEqual(views.map((view) => [view.after_SETR_Resize, view.after_ResizeToMultiple]));
  }
});

test('fit keeps the ratio within long and short side, then rounds up', () => {
  const fit: ResizeConfig = { type: 'fit', longPx: 224, shortPx: 56, multiplePx: 14 };
  expect(testSizes({ width: 100, height: 50 }, fit).map(heightWidth)).toEqual([
    [56, 112],
    [56, 112],
  ]);
  // So wide that the long side decides: lower than a crop, which whoever cuts windows must see.
  expect(testSizes({ width: 1000, height: 50 }, fit).map(heightWidth)).toEqual([
    [11, 224],
    [14, 224],
  ]);
});

test('exact gives its one size, whatever the ratio', () => {
  const exact: ResizeConfig = { type: 'exact', widthPx: 112, heightPx: 56 };
  expect(testSizes({ width: 31, height: 77 }, exact)).toEqual([{ width: 112, height: 56 }]);
});

test('the network sees sides that are multiples, the shorter no smaller than asked', () => {
  const side = fc.integer({ min: 1, max: 3000 });
  fc.assert(
    fc.property(side, side, fc.constantFrom(56, 112, 504), (width, height, short) => {
      const size = networkSize({ width, height }, shortSide(short));
      expect([size.width % 14, size.height % 14]).toEqual([0, 0]);
      expect(Math.min(size.width, size.height)).toBe(short);
    }),
  );
});

interface View {
  after_SETR_Resize: number[];
  after_ResizeToMultiple: number[];
}
