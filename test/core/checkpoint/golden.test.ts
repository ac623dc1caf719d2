import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { open, readAtOf } from './hand-made.ts';

interface GoldenFile {
  top_level_keys: string[] | string;
  tensors: Record<string, { dtype: string; shape: number[]; sha256: string; first: number[] }>;
}

const folder = join(goldenFolder(), 'checkpoints');
const index: Record<string, GoldenFile> = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
// The repository keeps a part of the files.
const present = Object.entries(index).filter(([name]) => existsSync(join(folder, name)));

test('there are golden checkpoints to compare with', () => {
  expect(present.length).toBeGreaterThan(2);
});

describe.each(present.filter(([name]) => !name.includes('legacy')))('%s', (name, golden) => {
  const bytes = readFileSync(join(folder, name));

  test('has the tensors that torch wrote, bit for bit', async () => {
    const file = await open(bytes, name);
    expect([...file.tensors.keys()]).toEqual(Object.keys(golden.tensors));
    for (const [key, expected] of Object.entries(golden.tensors)) {
      const tensor = file.tensors.get(key)!;
      const data = await readTensor(file, tensor, readAtOf(bytes));
      expect({ dtype: tensor.dtype, shape: tensor.shape }).toEqual({
        dtype: expected.dtype,
        shape: expected.shape,
      });
      expect(createHash('sha256').update(data).digest('hex'), key).toBe(expected.sha256);
      if (/float/.test(tensor.dtype)) {
        expect([...toFloat32(data, tensor.dtype).subarray(0, expected.first.length)]).toEqual(expected.first);
      }
      // ONNX maps these bytes straight from the file.
      expect(tensor.offset % 64, key).toBe(0);
      expect(bytes.subarray(tensor.offset, tensor.offset + tensor.length).equals(data), key).toBe(true);
    }
  });

  test('has the top-level keys and the notes', async () => {
    const file = await open(bytes, name);
    const isFlat = typeof golden.top_level_keys === 'string';
    expect(file.topLevelKeys).toEqual(isFlat ? Object.keys(golden.tensors) : golden.top_level_keys);
    if (golden.top_level_keys.includes('meta')) {
      expect(file.meta).toMatchObject({ mmseg_version: '0.30.0' });
      expect((file.meta as { CLASSES: string[] }).CLASSES).toHaveLength(150);
    } else {
      expect(file.meta).toBeUndefined();
    }
  });
});

describe.each(present.filter(([name]) => name.includes('legacy')))('%s', (name) => {
  test('is refused with what to do', async () => {
    await expect(open(readFileSync(join(folder, name)), name)).rejects.toThrow(
      /^vit.*: is in torch's old format \(before 1\.6\).*torch\.save/,
    );
  });
});
