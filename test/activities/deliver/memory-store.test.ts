import { describe } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { storeSuite } from './store-suite.ts';

describe('a store in memory', () => {
  storeSuite(async () => ({ store: memoryStore(), bucket: 'bucket' }));
});
