import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadData } from '../../../core/config/failures.ts';
import { addMatrix, countPixels, emptyMatrix } from '../../../core/metric/confusion-matrix.ts';
import {
  type ImageMatrices,
  joinMatrices,
  stackImages,
  sumOfImages,
} from '../../../core/metric/image-matrices.ts';
import { decodeImageMatrices, encodeImageMatrices } from '../../../core/metric/image-matrices-codec.ts';

const CLASSES = 5;
const IGNORE = 255;
const label = fc.oneof(fc.nat(CLASSES - 1), fc.constant(IGNORE));
const maps = fc.array(fc.array(fc.tuple(label, fc.nat(CLASSES - 1)), { maxLength: 40 }), { maxLength: 8 });

function imagesOf(pixels: [number, number][][]) {
  const sum = emptyMatrix(CLASSES);
  const images = pixels.map((pairs, i) => {
    const own = emptyMatrix(CLASSES);
    const labels = Uint8Array.from(pairs, ([truth]) => truth);
    const predictions = Uint8Array.from(pairs, ([, prediction]) => prediction);
    const counted = countPixels(own, labels, predictions, IGNORE);
    addMatrix(sum, own);
    return { id: `image_${i}`, counted };
  });
  return { images, sum };
}

describe('per-image matrices', () => {
  it('add up to the whole matrix, and are the same bytes however images are cut into parts', () => {
    fc.assert(
      fc.property(maps, fc.nat(8), (pixels, cut) => {
        const { images, sum } = imagesOf(pixels);
        const whole = stackImages(CLASSES, images);
        expect(sumOfImages(whole)).toEqual(sum);
        const parts = [images.slice(0, cut), images.slice(cut)].map((part) => stackImages(CLASSES, part));
        expect(encodeImageMatrices(joinMatrices(CLASSES, parts))).toEqual(encodeImageMatrices(whole));
      }),
    );
  });

  it('are read as they were written', () => {
    fc.assert(
      fc.property(maps, (pixels) => {
        const matrices = stackImages(CLASSES, imagesOf(pixels).images);
        expect(decodeImageMatrices(encodeImageMatrices(matrices), 'x')).toEqual(matrices);
      }),
    );
  });

  it('of 847 classes are read as they were written, their cells in 32 bits', () => {
    const matrix = emptyMatrix(847);
    const counted = countPixels(matrix, Uint16Array.of(846, 300, 65_535), Uint16Array.of(846, 0, 1), 65_535);
    expect(Array.from(counted.cells)).toEqual([300 * 847, 846 * 847 + 846]);
    const matrices = stackImages(847, [{ id: 'a', counted }]);
    const bytes = encodeImageMatrices(matrices);
    expect(gunzipSync(bytes).toString('latin1')).toContain('cells uint32[entries]');
    expect(decodeImageMatrices(bytes, 'x')).toEqual(matrices);
    expect(sumOfImages(matrices)).toEqual(matrix);
  });

  it('say in their first line how they are read', () => {
    const raw = gunzipSync(encodeImageMatrices(sample()));
    const header = JSON.parse(raw.subarray(0, raw.indexOf(10)).toString());
    expect(header).toMatchObject({ classes: 3, images: 2, entries: 3, ids: ['a', 'b'] });
    expect(header.layout.join()).toContain('rows uint32[images + 1]');
    const at = raw.indexOf(10) + 1;
    expect([0, 1, 2].map((i) => raw.readUInt32LE(at + 4 * i))).toEqual([0, 2, 3]);
    expect([0, 1, 2].map((i) => raw.readUInt16LE(at + 12 + 2 * i))).toEqual([0, 4, 8]);
    expect([0, 1, 2].map((i) => raw.readUInt32LE(at + 18 + 4 * i))).toEqual([5, 6, 70_000]);
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array, RegExp]>([
    ['what is no gzip', () => Buffer.from('text'), /x\.gz: cannot be unpacked/],
    ['what is cut off', (bytes) => gzipSync(gunzipSync(bytes).subarray(0, -1)), /x\.gz: \d+ bytes/],
    ['cells beyond the classes', () => encodeImageMatrices({ ...sample(), classes: 2 }), /2 classes/],
    ['rows that go back', () => encodeImageMatrices({ ...sample(), rows: Uint32Array.of(0, 4, 3) }), /rows/],
  ])('refuse %s', (_, damage, message) => {
    const read = () => decodeImageMatrices(damage(encodeImageMatrices(sample())), 'x.gz');
    expect(read).toThrow(BadData);
    expect(read).toThrow(message);
  });

  it('of other classes are not joined', () => {
    expect(() => joinMatrices(4, [sample()])).toThrow(/3 classes, should be 4/);
  });
});

function sample(): ImageMatrices {
  return {
    classes: 3,
    ids: ['a', 'b'],
    rows: Uint32Array.of(0, 2, 3),
    cells: Uint32Array.of(0, 4, 8),
    counts: Uint32Array.of(5, 6, 70_000),
  };
}
