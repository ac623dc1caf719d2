// Serves a trainer with a tiny backbone's features: `… feature-worker.ts FOLDER ADDRESS TOKEN`.
import { setTimeout as sleep } from 'node:timers/promises';
import { serveFeatures } from '../../../activities/train/features/serve-features.ts';
import { noise, openTinyBackbone, tinyTraining } from '../../activities/train/features/tiny-training.ts';

const [folder, address, token] = process.argv.slice(2) as [string, string, string];
const config = tinyTraining({ features: 'bfloat16' });
await using extractor = await openTinyBackbone(folder, config);
const sample = noise(config);
const end = await serveFeatures({
  address,
  token,
  config,
  extractor,
  // So slowly that there is a middle in which it can be killed.
  async sample(...place) {
    await sleep(20);
    return sample(...place);
  },
  signal: new AbortController().signal,
});
console.log(`end: ${end}`);
