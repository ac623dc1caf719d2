import { decode, encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { loadClasses } from '../../../activities/plan/load-config.ts';
import { createRandom, jpegOf } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { configOf, evaluated, matrixOf, photographOf, sectionOf, write } from './whole-dataset.ts';

const PIXELS = 40 * 30;
const NONE = 65_535;

describe('ADE20K full: 847 classes', () => {
  const ID = 'cultural/apse__indoor/ADE_val_00000001';
  const random = createRandom(7);
  const labels = Uint16Array.from({ length: PIXELS }, () =>
    random() < 0.1 ? NONE : Math.floor(847 * random()),
  );
  const truth = new Map([[ID, labels]]);

  test('is staged as the release of 2021 has it: red and green are the class, blue the instance', async () => {
    const { labelIds } = await loadClasses('ade20k-full');
    // wall, building and sky, by the owner's index.
    expect(labelIds!.slice(0, 3)).toEqual([2978, 312, 2420]);
    const data = new Uint8Array(3 * PIXELS);
    for (const [i, label] of labels.entries()) {
      // 1 is an object of the release that the benchmark leaves out.
      const id = label === NONE ? i % 2 : (labelIds![label] as number);
      data.set([10 * (id >> 8) + (i % 10), id & 255, i % 7], 3 * i);
    }
    const root = temporaryFolder();
    write(root, {
      [`images/ADE/validation/${ID}.jpg`]: await jpegOf(40, 30, 1),
      [`images/ADE/validation/${ID}_seg.png`]: Buffer.from(
        encode({ width: 40, height: 30, data, channels: 3, depth: 8 }),
      ),
      [`images/ADE/validation/${ID}_parts_1.png`]: photographOf(1),
      [`images/ADE/validation/${ID}.json`]: '{}',
    });
    const config = configOf(847, sectionOf('ade20k-full'));
    const { run, counts, predictions } = await evaluated(root, config);
    expect(run.imageIds).toEqual([ID]);
    expect(counts).toEqual(matrixOf(847, truth, predictions));
    expect(Math.max(...predictions.get(ID)!)).toBeGreaterThan(255);
  });

  test('is read from 16-bit PNGs, and predicted as such', async () => {
    const root = temporaryFolder();
    const png = Buffer.from(encode({ width: 40, height: 30, data: labels, channels: 1, depth: 16 }));
    write(root, { [`images/${ID}.jpg`]: await jpegOf(40, 30, 1), [`annotations/${ID}.png`]: png });
    const section = {
      ...sectionOf('ade20k-full'),
      labelIds: undefined,
      annotationFormat: undefined,
      imageDir: 'images',
      annotationDir: 'annotations',
      annotationSuffix: '.png',
    };
    const config = configOf(847, section);
    const { store, run, counts, predictions } = await evaluated(root, {
      ...config,
      run: { ...config.run, predictions: 'labels' },
    });
    expect(counts).toEqual(matrixOf(847, truth, predictions));
    const written = decode(await store.read(`${run.prefix}/predictions/${ID}.png`));
    expect(written.depth).toBe(16);
    expect(Uint16Array.from(written.data)).toEqual(predictions.get(ID));
  });

  test('is refused if what is ignored would be a class', () => {
    const section = { ...sectionOf('ade20k-full'), labelIds: undefined, ignoreIndex: 255 };
    expect(() => configOf(847, section)).toThrow(
      'dataset.ignoreIndex is 255, which is one of 847 classes; expected 65535',
    );
  });
});
