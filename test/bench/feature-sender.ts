// A feature worker without a backbone: `… feature-sender.ts CONFIG ADDRESS TOKEN`. Tells its CPU seconds at the end.
import type { FeaturesConfig } from '../../activities/train/features/prepare-features.ts';
import { serveFeatures } from '../../activities/train/features/serve-features.ts';
import { pretendedFeatures } from './pretended-features.ts';

const [json, address, token] = process.argv.slice(2) as [string, string, string];
const config = JSON.parse(json) as FeaturesConfig;
const work = pretendedFeatures(config);
const start = process.cpuUsage();
await serveFeatures({ address, token, config, ...work, signal: new AbortController().signal });
const { user, system } = process.cpuUsage(start);
process.send?.({ cpuSeconds: (user + system) / 1e6 });
process.disconnect?.();
