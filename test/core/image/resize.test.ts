import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../../activities/images/decode.ts';
import { type RgbImage, resizeBilinear } from '../../../core/image/resize.ts';
import { readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';

const PREPROCESSING = join(goldenFolder(), 'preprocessing');
const cases = JSON.parse(readFileSync(join(PREPROCESSING, 'cases.json'), 'utf8'));

const decoded = (id: string) => decodeImage(readFileSync(join(PREPROCESSING, 'images', `${id}.jpg`)), id);

function toBgr({ data }: RgbImage): Uint8Array {
  return data.map((_, i) => data[i - (i % 3) + (2 - (i % 3))]!);
}

describe('resizing gives the bytes of OpenCV', () => {
  // Down, up, far up (13×9), a very wide one, and a size where only the second resize does anything.
  test.each([
    ['crop56', 'odd420'],
    ['crop56', 'tiny420'],
    ['crop56', 'wide420'],
    ['crop112', 'port422'],
    ['crop504', 'land444'],
    ['crop504', 'square_exact'],
  ])('%s of %s, through both resizes', async (crop, id) => {
    const view = cases[crop][id].views[0];
    const [firstHeight, firstWidth] = view.after_SETR_Resize;
    const [height, width] = view.after_ResizeToMultiple;
    const first = resizeBilinear(await decoded(id), firstWidth, firstHeight);
    const second = resizeBilinear(first, width, height);
    expect(sha256(toBgr(first))).toBe(view.after_SETR_Resize_bgr_sha256);
    expect(sha256(toBgr(second))).toBe(view.after_ResizeToMultiple_bgr_sha256);
  });

  test('a whole array, so that a difference shows where it is', async () => {
    const expected = readNpy(join(PREPROCESSING, 'crop56/odd420_setr_bgr.npy'));
    const [height, width] = expected.shape as [number, number];
    const resized = resizeBilinear(await decoded('odd420'), width, height);
    expect(firstDifference(toBgr(resized), expected.data as Uint8Array)).toBeNull();
  });
});

describe('whatever the sizes', () => {
  const side = fc.integer({ min: 1, max: 40 });

  test('a constant image stays constant', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (width, height, toWidth, toHeight, value) => {
        const image = { width, height, data: new Uint8Array(width * height * 3).fill(value) };
        const { data } = resizeBilinear(image, toWidth, toHeight);
        expect(data.length).toBe(toWidth * toHeight * 3);
        expect(data.every((byte) => byte === value)).toBe(true);
      }),
    );
  });

  test('each channel stays within the range of its input', () => {
    fc.assert(
      fc.property(anyImage(), side, side, (image, width, height) => {
        const before = channelRanges(image);
        channelRanges(resizeBilinear(image, width, height)).forEach(({ low, high }, channel) => {
          expect(low).toBeGreaterThanOrEqual(before[channel]!.low);
          expect(high).toBeLessThanOrEqual(before[channel]!.high);
        });
      }),
    );
  });

  test('its own size gives the image as it was', () => {
    fc.assert(
      fc.property(anyImage(), (image) => {
        const { data } = resizeBilinear(image, image.width, image.height);
        expect(data).toEqual(image.data);
      }),
    );
  });
});

function anyImage(): fc.Arbitrary<RgbImage> {
  return fc
    .tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 24 }))
    .chain(([width, height]) =>
      fc
        .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
        .map((data) => ({ width, height, data })),
    );
}

function channelRanges({ data }: RgbImage) {
  return [0, 1, 2].map((channel) => {
    const values = data.filter((_, i) => i % 3 === channel);
    return { low: Math.min(...values), high: Math.max(...values) };
  });
}

function firstDifference(actual: Uint8Array, expected: Uint8Array) {
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  return at < 0 && actual.length === expected.length ? null : { at, is: actual[at], shouldBe: expected[at] };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
