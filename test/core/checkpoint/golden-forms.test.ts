import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { parseShardIndex } from '../../../core/checkpoint/published-files.ts';
import { readTensor } from '../../../core/checkpoint/tensor-data.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { readAtOf } from './hand-made.ts';

interface Form {
  form: 'safetensors' | 'safetensors-sharded' | 'torch';
  files: string[];
  index?: string;
}

/** The same models in every form that they are published in; the repository holds none of them. */
const FOLDER = join(goldenFolder(), 'backbones');
const manifest = join(FOLDER, 'manifest.json');
const cases: { name: string; weights: Form[] }[] = existsSync(manifest)
  ? JSON.parse(readFileSync(manifest, 'utf8')).cases
  : [];

/** Every tensor's type, shape and digest. */
async function tensorsOf({ files, index }: Form): Promise<Record<string, string>> {
  const bytes = index ? await merged(files, index) : readFileSync(join(FOLDER, files[0]!));
  const file = await openCheckpoint(files[0]!, bytes.length, readAtOf(bytes));
  expect(file.unreadable.size).toBe(0);
  const found: Record<string, string> = {};
  for (const tensor of file.tensors.values()) {
    const data = await readTensor(file, tensor, readAtOf(bytes));
    const digest = createHash('sha256').update(data).digest('hex');
    found[tensor.name] = `${tensor.dtype} [${tensor.shape}] ${digest}`;
  }
  return found;
}

async function merged(files: string[], index: string): Promise<Buffer> {
  const contents = new Map(files.map((file) => [basename(file), readFileSync(join(FOLDER, file))]));
  const opened = new Map();
  for (const [name, bytes] of contents)
    opened.set(name, await openCheckpoint(name, bytes.length, readAtOf(bytes)));
  const { header, parts } = mergeShards(
    index,
    parseShardIndex(index, readFileSync(join(FOLDER, index))),
    opened,
  );
  return Buffer.concat([
    header,
    ...parts.map(({ file, offset, length }) => contents.get(file)!.subarray(offset, offset + length)),
  ]);
}

describe.skipIf(cases.length === 0)('golden backbones', () => {
  test.each(cases)('$name opens in each of its forms, with the same tensors', async ({ weights }) => {
    const forms = await Promise.all(weights.map(tensorsOf));
    expect(Object.keys(forms[0]!).length).toBeGreaterThan(20);
    for (const form of forms.slice(1)) expect(form).toEqual(forms[0]);
  });
});
