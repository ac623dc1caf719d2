import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPublish, type PublishInput } from '../../../activities/publish/publish-results.ts';
import { Unavailable } from '../../../core/config/failures.ts';
import { ResultsSchema } from '../../../core/config/results.ts';
import { writeShardMatrices } from '../../../core/image-matrices-objects.ts';
import { emptyMatrix, total } from '../../../core/metric/confusion-matrix.ts';
import { type ImageMatrices, joinMatrices, sumOfImages } from '../../../core/metric/image-matrices.ts';
import { decodeImageMatrices, encodeImageMatrices } from '../../../core/metric/image-matrices-codec.ts';
import { encodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { memoryStore } from './memory-store.ts';
import { FINISHED_MS, publishInput } from './publish-input.ts';

const PREFIX = publishInput().outputPrefix;
const ARTIFACT = `${PREFIX}/per_image.bin.gz`;

const PARTS: ImageMatrices[] = [
  matricesOf(
    ['a', 'b'],
    [
      [0, 100],
      [151, 3],
    ],
  ),
  matricesOf(['c'], [[1, 7]]),
];

/** An image an entry: a cell and its pixels. */
function matricesOf(ids: string[], entries: [number, number][]): ImageMatrices {
  return {
    classes: 150,
    ids,
    rows: Uint32Array.from({ length: ids.length + 1 }, (_, i) => i),
    cells: Uint32Array.from(entries, ([cell]) => cell),
    counts: Uint32Array.from(entries, ([, count]) => count),
  };
}

/** Two shards' matrices in a store, and what publishes them; with an object of a lost attempt. */
async function evaluated(changes: Partial<PublishInput> = {}) {
  const memory = memoryStore();
  const imageMatrices: string[] = [];
  for (const [shard, part] of PARTS.entries())
    imageMatrices.push(await writeShardMatrices(memory.store, { prefix: PREFIX, shard }, part));
  memory.objects.set(`${PREFIX}/shards/1-lost.bin.gz`, Buffer.from('of a lost attempt'));
  const matrix = sumOfImages(joinMatrices(150, PARTS));
  const input = publishInput({
    imageMatrices,
    matrix: encodeMatrix(matrix),
    coverage: { ...publishInput().coverage, images: 3, labelledPixels: total(matrix) },
    shards: publishInput().shards.slice(0, 2),
    ...changes,
  });
  const publish = () => createPublish(memory.store, () => FINISHED_MS).publishResults(input);
  return {
    ...memory,
    publish,
    shards: () => [...memory.objects.keys()].filter((uri) => uri.includes('/shards/')),
  };
}

it('joins the shards’ matrices into one artifact with its digest, and leaves nothing of theirs', async () => {
  const { publish, objects, text, shards } = await evaluated();
  await publish();
  const bytes = objects.get(ARTIFACT)!;
  expect(decodeImageMatrices(bytes, ARTIFACT)).toEqual(joinMatrices(150, PARTS));
  const { artifacts } = ResultsSchema.parse(JSON.parse(text(`${PREFIX}/results.json`)));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(artifacts.perImage).toEqual({ uri: ARTIFACT, sha256, sizeBytes: bytes.length });
  expect(text(`${PREFIX}/report.html`)).toContain('per_image.bin.gz');
  expect(shards()).toEqual([]);
});

it('removes what an attempt left that died between its results and that', async () => {
  const { publish, store, shards, objects } = await evaluated();
  const { remove } = store;
  store.remove = async () => {
    throw new Unavailable('slow down');
  };
  expect(await publish()).toMatchObject({ status: 'written' });
  expect(shards()).toHaveLength(3);
  store.remove = remove;
  const before = objects.get(ARTIFACT);
  expect(await publish()).toMatchObject({ status: 'exists' });
  expect(shards()).toEqual([]);
  expect(objects.get(ARTIFACT)).toBe(before);
});

it('takes the results of a faster attempt that has removed the parts', async () => {
  const slow = await evaluated();
  const { read } = slow.store;
  slow.store.read = async (uri) => {
    if (uri.includes('/shards/')) {
      slow.store.read = read;
      await slow.publish();
    }
    return read(uri);
  };
  expect(await slow.publish()).toMatchObject({ status: 'exists' });
});

it.each<[string, (set: Awaited<ReturnType<typeof evaluated>>) => void, RegExp]>([
  ['parts that are missing', ({ objects, shards }) => objects.delete(shards()[0]!), /0-.*does not exist/],
  [
    'a part that was changed',
    ({ objects, shards }) => objects.set(shards()[0]!, Buffer.from(encodeImageMatrices(PARTS[1]!))),
    /its SHA-256 is/,
  ],
])('publishes nothing with %s', async (_, damage, message) => {
  const set = await evaluated();
  damage(set);
  await expect(set.publish()).rejects.toThrow(message);
  expect(set.objects.has(`${PREFIX}/results.json`)).toBe(false);
});

it('publishes nothing if the images’ sum is not the matrix', async () => {
  const matrix = emptyMatrix(150);
  matrix.counts.set([99, 8, 3], 0);
  const set = await evaluated({ matrix: encodeMatrix(matrix) });
  await expect(set.publish()).rejects.toThrow(/label 0, prediction 0 is 100 in their sum, but 99/);
  expect(set.objects.has(ARTIFACT)).toBe(false);
});

it('is left out where a worker of an earlier version kept none', async () => {
  const { imageMatrices, ...old } = publishInput();
  expect(imageMatrices).toBeUndefined();
  const { store, text, objects } = memoryStore();
  await createPublish(store, () => FINISHED_MS).publishResults(old);
  expect(objects.has(ARTIFACT)).toBe(false);
  expect(ResultsSchema.parse(JSON.parse(text(`${PREFIX}/results.json`))).artifacts.perImage).toBeUndefined();
});
