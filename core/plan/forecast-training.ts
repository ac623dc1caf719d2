import type { TrainableConfig } from '../config/train-run.ts';
import { backboneFlops } from '../model/backbone.ts';
import { simulateTraining } from '../train/simulate.ts';
import { ASSUMED, trainingCosts } from '../train/training-costs.ts';
import type { Rate } from './calibration.ts';
import { type Forecast, span, type Work } from './forecast.ts';
import type { Bound } from './report.ts';

/** A CPU copies nothing to a device, and starts no kernels. */
const ON_CPU = { copyGbPerS: 1e6, launchMicroseconds: 0 };

/** How long a training takes: `simulateTraining` with a calibration's figures, and nothing lost. */
export function forecastTraining(
  config: TrainableConfig,
  { workers, shards, weightBytes, imageBytes, megapixels }: Work,
  { entry, cropsPerSecond }: Rate,
): Forecast {
  const teraflops = (cropsPerSecond * backboneFlops(config.model)) / 1e12;
  const crops = shards.reduce((sum, shard) => sum + shard, 0);
  const costs = trainingCosts(config, {
    ...ASSUMED,
    peakTflops: teraflops,
    shareOfPeak: 1,
    trainShareOfPeak: 1,
    lossesPerHour: 0,
    startSeconds: entry.readySeconds,
    ...(entry.device === 'cpu' ? { ...ON_CPU, headTflops: teraflops } : {}),
  });
  const simulated = simulateTraining({ ...costs, evaluationGpuSeconds: crops / cropsPerSecond }, workers);
  const { busy, trainSeconds, evaluateSeconds } = simulated;
  const weights = weightBytes / (entry.fetchMbPerSecond * 1e6);
  const seconds = weights + simulated.seconds;
  const shares: [Bound, number, string][] = [
    ['compute', busy.backbone / workers, 'the backbones'],
    ['decode', busy.workerThread / workers, 'making and sending crops'],
    ['features', Math.max(busy.network, busy.receive), 'bringing features to the trainer'],
    ['head', busy.head, costs.chain ? 'the steps' : "the head's own steps"],
    ['evaluations', evaluateSeconds, 'the evaluations'],
    ['fetch', weights, 'fetching the weights'],
  ];
  const [boundBy, most, name] = shares.toSorted((a, b) => b[1] - a[1])[0]!;
  const more = boundBy === 'head' || boundBy === 'features' ? '; more workers would not make it faster' : '';
  return {
    seconds,
    parts: {
      launch: entry.readySeconds,
      weights,
      images: imageBytes / (entry.fetchMbPerSecond * 1e6) / workers,
      decode: megapixels / entry.decodeMegapixelsPerSecond / workers,
      compute: trainSeconds,
      evaluations: evaluateSeconds,
    },
    boundBy,
    why: `Of ${span(seconds)}, ${name} take ${span(most)} on ${workers} workers: they bound it${more}.`,
  };
}
