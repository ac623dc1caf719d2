import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { memoryStore } from '../../activities/deliver/memory-store.ts';
import { temporaryFolder } from '../infra/observe.ts';
import { benchWeights, weightsText } from './weights-bench.ts';

test('the way of the weights is timed in rounds, what is missing is left out by name, and nothing stays', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', undefined);
  onTestFinished(() => void vi.unstubAllEnvs());
  const objects = new Map<string, Buffer>();
  const folder = temporaryFolder();
  const sizeBytes = 17 << 20;
  const reports = await benchWeights({
    session: { store: memoryStore(objects), bucket: 'bucket' },
    stateFolder: join(folder, 'none'),
    folder,
    sizeBytes,
    rounds: 2,
    say() {},
  });
  expect(reports).toEqual([
    expect.objectContaining({ mibPerSecond: [], skipped: 'AWS_ENDPOINT_URL_S3 is not set' }),
    expect.objectContaining({ mibPerSecond: [], skipped: 'AWS_ENDPOINT_URL_S3 is not set' }),
    { name: 'Tessera, verified', mibPerSecond: [expect.any(Number), expect.any(Number)] },
  ]);
  expect(weightsText(reports, sizeBytes)).toMatch(/of 17 MiB.*left out.*MiB\/s/s);
  expect([...objects.keys()]).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test('ratios are of medians', () => {
  const text = weightsText(
    [
      { name: 'curl', mibPerSecond: [100, 900, 1000] },
      { name: 'ours', mibPerSecond: [600, 630, 10] },
    ],
    1 << 20,
  );
  expect(text).toContain('ours / curl: 0.67');
});
