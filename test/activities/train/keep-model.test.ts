import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { modelKeeper } from '../../../activities/train/keep-model.ts';
import { sha256 } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

function written(folder: string, text: string) {
  const bytes = Buffer.from(text);
  const file = path.join(folder, 'iter_5.pth');
  writeFileSync(file, bytes);
  const described = { key: 'iter_5.pth', sizeBytes: bytes.length, sha256: sha256(bytes) };
  const manifest = { version: 1 as const, kind: 'weights' as const, file: described, tensors: [] };
  return { file, manifest: manifest as never, object: { uri: 's3://bucket/iter_5.pth', ...described } };
}

/** A store that nobody asks. */
const unasked = new Proxy({} as Parameters<typeof fetchToCache>[0], {
  get: (_, method) => () => Promise.reject(new Error(`${String(method)} was called`)),
});

test('an evaluation on the trainer’s node fetches nothing of the model that was just saved', async () => {
  const cache = temporaryFolder();
  const keep = modelKeeper(cache);
  const first = written(temporaryFolder(), 'the first model');
  await keep(first);
  expect(existsSync(first.file)).toBe(false);
  const file = await fetchToCache(unasked, cache, first.object);
  // Nor of a part of it.
  const only = { ranges: [{ offset: 4, length: 5 }], digestedRanges: [] };
  expect(await fetchToCache(unasked, cache, first.object, { only })).toBe(file);

  const second = written(temporaryFolder(), 'the second model');
  await keep(second);
  await fetchToCache(unasked, cache, second.object);
  expect(existsSync(file), 'the first model is still there').toBe(false);
});

test('a cache that takes no file leaves the checkpoint as it is', async () => {
  const notAFolder = path.join(temporaryFolder(), 'cache');
  writeFileSync(notAFolder, '');
  const model = written(temporaryFolder(), 'a model');
  await modelKeeper(notAFolder)(model);
  expect(existsSync(model.file)).toBe(true);
});
