import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchOwnModel } from '../../../activities/deliver/fetch-own-model.ts';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { BadData } from '../../../core/config/failures.ts';
import { sha256 } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const FOLDER = 's3://bucket/models/mine';
const MODEL = Buffer.from('a model');

async function planned(weights = 'weights') {
  const objects = new Map([
    [`${FOLDER}/model.onnx`, MODEL],
    [`${FOLDER}/data/w.bin`, Buffer.from(weights)],
  ]);
  const store = memoryStore(objects);
  const files = [];
  for (const location of ['model.onnx', 'data/w.bin']) {
    const uri = `${FOLDER}/${location}`;
    files.push({ uri, location, ...(await store.head(uri)) });
  }
  const object = { uri: files[0]!.uri, sha256: sha256(MODEL), sizeBytes: MODEL.length };
  return { objects, store, object, files };
}

test('a model lies in a folder with its weights, as it names them, and is fetched once', async () => {
  const cache = temporaryFolder();
  const { objects, store, object, files } = await planned();
  const fetch = () => fetchOwnModel(store, cache, object, files);
  const file = await fetch();
  expect(readFileSync(file)).toEqual(MODEL);
  expect(readFileSync(join(dirname(file), 'data/w.bin'), 'utf8')).toBe('weights');
  objects.clear();
  expect(await fetch()).toBe(file);
});

test('other weights of the same model lie in another folder', async () => {
  const cache = temporaryFolder();
  const [first, second] = [await planned('first'), await planned('second')];
  const one = await fetchOwnModel(first.store, cache, first.object, first.files);
  const two = await fetchOwnModel(second.store, cache, second.object, second.files);
  const read = (file: string) => readFileSync(join(dirname(file), 'data/w.bin'), 'utf8');
  expect([read(one), read(two)]).toEqual(['first', 'second']);
});

test.each(['model.onnx', 'data/w.bin'])(
  '%s that was replaced after the plan is refused',
  async (location) => {
    const { objects, store, object, files } = await planned();
    const uri = `${FOLDER}/${location}`;
    objects.set(uri, Buffer.from(objects.get(uri)!.toString().toUpperCase()));
    const fetched = fetchOwnModel(store, temporaryFolder(), object, files);
    await expect(fetched).rejects.toThrow(BadData);
    await expect(fetched).rejects.toThrow(`${uri}: was replaced after the run was planned with it`);
  },
);
