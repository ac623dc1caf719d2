import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openTorchFile, readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { TypedFailure } from '../../../core/config/failures.ts';
import { floats, open, readAtOf } from './hand-made.ts';

const whole = writeTorchFile({
  tensors: [
    { name: 'a', dtype: 'float32', shape: [2, 3], data: floats(1, 2, 3, 4, 5, 6) },
    { name: 'b', dtype: 'float16', shape: [], data: new Uint8Array(2) },
  ],
  meta: { CLASSES: ['wall', 'sky'], iter: 80_000, best: 0.5 },
});

/** Opens a file and reads all tensors: undefined if that went well, else the failure. */
async function readAll(bytes: Uint8Array): Promise<unknown> {
  try {
    const file = await open(bytes);
    for (const tensor of file.tensors.values()) {
      const data = await readTensor(file, tensor, readAtOf(bytes));
      if (/float/.test(tensor.dtype)) toFloat32(data, tensor.dtype);
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('damaged files', () => {
  test('every truncation is a BadData that names the file', async () => {
    for (let length = 0; length < whole.length; length++) {
      const failure = await readAll(whole.subarray(0, length));
      expect(failure, `first ${length} bytes`).toMatchObject({ failureClass: 'BadData' });
      expect((failure as Error).message).toMatch(length < 4 ? /^x\.pth: / : /^x\.pth: truncated/);
    }
  });

  test('bytes that flip give a checkpoint or a typed failure, nothing else', async () => {
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), fc.nat(2_000), async (flips, cut) => {
        const damaged = Uint8Array.from(cut < 100 ? whole.subarray(0, whole.length - cut) : whole);
        for (const [at, mask] of flips) if (at < damaged.length) damaged[at] = damaged[at]! ^ mask;
        const failure = await readAll(damaged);
        expect(failure === undefined || failure instanceof TypedFailure, String(failure)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  test('a file that shrinks while it is read is truncated', async () => {
    const file = openTorchFile('x.pth', whole.length, async (offset, length) =>
      whole.subarray(offset, Math.min(offset + length, whole.length - 30)),
    );
    await expect(file).rejects.toThrow(/^x\.pth: truncated/);
  });

  test("a store's own failure passes through", async () => {
    const file = openTorchFile('x.pth', whole.length, async () => {
      throw new Error('no answer');
    });
    await expect(file).rejects.toThrow('no answer');
  });
});
