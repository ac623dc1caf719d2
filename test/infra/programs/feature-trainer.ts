// A trainer that takes a batch a second: `… feature-trainer.ts TOKEN`.
import { setTimeout as sleep } from 'node:timers/promises';
import { openFeatureFeed } from '../../../activities/train/features/feature-feed.ts';
import { noise, quickBackbone, tinyTraining } from '../../activities/train/features/tiny-training.ts';

const config = tinyTraining();
const feed = await openFeatureFeed({
  config,
  first: 0,
  end: 1000,
  sample: noise(config),
  extractor: quickBackbone(config),
  serve: { host: '127.0.0.1', port: 0, token: process.argv[2]! },
});
console.log(`address: ${feed.address}`);
for (;;) {
  await feed.next();
  await sleep(1000);
}
