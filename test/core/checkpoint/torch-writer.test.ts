import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ITEM_BYTES } from '../../../core/checkpoint/dtypes.ts';
import { readTensor } from '../../../core/checkpoint/torch-file.ts';
import { type TorchState, torchFileChunks, writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { DTYPES } from '../../../core/config/manifests.ts';
import { open, readAtOf } from './hand-made.ts';

const bf16: TorchState['tensors'] = [
  { name: 'weight', dtype: 'bfloat16', shape: [2, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
];

describe('writing a checkpoint', () => {
  test('whatever is written is read back the same', async () => {
    const tensor = fc
      .record({ dtype: fc.constantFrom(...DTYPES), shape: fc.array(fc.nat(4), { maxLength: 4 }) })
      .chain(({ dtype, shape }) => {
        const length = shape.reduce((a, b) => a * b, ITEM_BYTES[dtype]);
        const data = fc.uint8Array({ minLength: length, maxLength: length });
        return fc.record({
          name: fc.string({ maxLength: 20 }),
          dtype: fc.constant(dtype),
          shape: fc.constant(shape),
          data,
        });
      });
    const tensors = fc.uniqueArray(tensor, { minLength: 1, maxLength: 5, selector: ({ name }) => name });
    const wrap = fc.constantFrom('state_dict' as const, 'module' as const);
    await fc.assert(
      fc.asyncProperty(tensors, wrap, fc.jsonValue(), async (written, wrapped, notes) => {
        const meta = JSON.parse(JSON.stringify(notes));
        const bytes = writeTorchFile({ tensors: written, wrap: wrapped, meta });
        const file = await open(bytes);
        expect(file.topLevelKeys).toEqual(['meta', wrapped]);
        expect(JSON.stringify(file.meta)).toBe(JSON.stringify(meta));
        expect([...file.tensors.keys()]).toEqual(written.map(({ name }) => name));
        for (const { name, dtype, shape, data } of written) {
          const found = file.tensors.get(name)!;
          expect(found).toMatchObject({ dtype, shape, contiguous: true, length: data.length });
          if (data.length > 0) expect(found.offset % 64).toBe(0);
          expect(Buffer.from(await readTensor(file, found, readAtOf(bytes)))).toEqual(Buffer.from(data));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a flat state dict has its tensors at the top level', async () => {
    const file = await open(writeTorchFile({ tensors: bf16, wrap: 'none' }));
    expect(file.topLevelKeys).toEqual(['weight']);
    expect(file.tensors.get('weight')).toMatchObject({ dtype: 'bfloat16', shape: [2, 2] });
    expect(file.meta).toBeUndefined();
  });

  test('numbers in the notes keep their value', async () => {
    const meta = [0, -1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 0.1, -0, 1e300];
    const file = await open(writeTorchFile({ tensors: bf16, meta }));
    expect(file.meta).toEqual(meta);
  });

  test('data may come in pieces, which are asked for one at a time', async () => {
    const asked: number[] = [];
    function* pieces() {
      for (const part of [0, 4]) {
        asked.push(part);
        yield (bf16[0]!.data as Uint8Array).subarray(part, part + 4);
      }
    }
    const chunks: Uint8Array[] = [];
    for (const chunk of torchFileChunks({ tensors: [{ ...bf16[0]!, data: pieces() }] })) {
      if (chunk.length === 4 && chunk[0] === 1) expect(asked).toEqual([0]);
      chunks.push(Buffer.from(chunk));
    }
    expect(Buffer.concat(chunks).equals(writeTorchFile({ tensors: bf16 }))).toBe(true);
  });

  test('data of another size than the shape says is refused by name', () => {
    const tensors: TorchState['tensors'] = [
      { name: 'w', dtype: 'int16', shape: [3], data: new Uint8Array(4) },
    ];
    expect(() => writeTorchFile({ tensors })).toThrow(
      'tensor w: int16 of shape [3] has 6 bytes, but its data has 4',
    );
  });

  test('notes need a place', () => {
    expect(() => writeTorchFile({ tensors: bf16, wrap: 'none', meta: {} })).toThrow(/no place for meta/);
  });
});
