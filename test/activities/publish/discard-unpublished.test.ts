import { expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { discardUnpublished } from '../../../activities/publish/discard-unpublished.ts';

async function left(keys: string[]): Promise<string[]> {
  const objects = new Map(keys.map((key) => [`s3://bucket/runs/${key}`, Buffer.from(key)]));
  await discardUnpublished(memoryStore(objects), 's3://bucket/runs/eval-1');
  return [...objects.keys()].map((uri) => uri.slice('s3://bucket/runs/'.length));
}

test('a failed run leaves its logs alone, and nothing of others is touched', async () => {
  const others = ['eval-10/results.json', 'eval-2/overlays/a.webp'];
  const own = ['eval-1/overlays/a.webp', 'eval-1/report.html', 'eval-1/logs/worker-0.log'];
  expect(await left([...own, ...others])).toEqual(['eval-1/logs/worker-0.log', ...others]);
});

test('what shards left to be published goes, even beside results', async () => {
  const published = ['eval-1/results.json', 'eval-1/run-1/results.json'];
  expect(await left([...published, 'eval-1/shards/0-00ff.bin.gz'])).toEqual(published);
});

test('what was published stays: by this run, or by an earlier one of its id', async () => {
  const published = ['eval-1/results.json', 'eval-1/report.html'];
  expect(await left(published)).toEqual(published);
  const earlier = ['eval-1/run-1/results.json', 'eval-1/run-1/overlays/a.webp'];
  expect(await left([...earlier, 'eval-1/overlays/b.webp'])).toEqual(earlier);
});
