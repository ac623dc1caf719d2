import { expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { trainingWork } from '../../../activities/train/training.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { trainRun } from './training-run.ts';

test('a worker that doesn’t reach its trainer loads no backbone for it', async () => {
  const folder = temporaryFolder();
  let fetched = 0;
  const { serve } = trainingWork({
    store: memoryStore(),
    cacheFolder: folder,
    scratchFolder: folder,
    worker: 'w1',
    async fetch() {
      fetched++;
      return { file: folder };
    },
  });
  // Nobody listens there. Nor is there a dataset to be read.
  const trainer = { attempt: 1, worker: 'w0', address: '127.0.0.1:1', token: 'a-secret' };
  expect(await serve({ run: trainRun(), trainer }, new AbortController().signal)).toBe('trainer-lost');
  expect(fetched).toBe(0);
});
