import { expect, test, vi } from 'vitest';
import { featureEndpoint } from '../../../../activities/train/features/endpoint.ts';
import { openFeatureFeed } from '../../../../activities/train/features/feature-feed.ts';
import { serveFeatures } from '../../../../activities/train/features/serve-features.ts';
import { noise, quickBackbone, tinyTraining } from './tiny-training.ts';

/** As a pod's address may be. */
const IPV6 = '::1';

test('a trainer whose address is one of IPv6 listens there, and workers find it', async () => {
  const endpoint = featureEndpoint({ TESSERA_HOST: IPV6 });
  const config = tinyTraining();
  const shared = { config, sample: noise(config), extractor: quickBackbone(config) };
  const token = 'a-secret';
  await using feed = await openFeatureFeed({ ...shared, first: 0, end: 20, serve: { ...endpoint, token } });
  expect(feed.address).toMatch(/^\[::1\]:\d+$/);
  const { signal } = new AbortController();
  const end = serveFeatures({ ...shared, address: feed.address!, token, signal });
  await vi.waitUntil(() => feed.workers === 1, { timeout: 10_000 });
  await feed[Symbol.asyncDispose]();
  expect(await end).toBe('finished');
});
