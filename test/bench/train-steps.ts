import { parseArgs } from 'node:util';
import { ModelTrainer } from '../../activities/train/trainer.ts';
import { TrainSchema } from '../../core/config/train.ts';
import { isParameter } from '../../core/model/head.ts';
import { drawsAt } from '../../core/train/draws.ts';
import { initialHead } from '../../core/train/initial-head.ts';
import { randomHeadModel } from './train-model.ts';

/*
 * A process of its own, so that its peak memory is that of the steps alone; the counterpart of train.py, with the same
 * options and the same line of output.
 */
const { values } = parseArgs({
  options: Object.fromEntries(
    ['head', 'embed', 'channels', 'batch', 'crop', 'steps', 'threads'].map((name) => [
      name,
      { type: 'string' as const },
    ]),
  ),
});
const number = (name: string) => Number(values[name]);
const [embed, channels, crop] = [number('embed'), number('channels'), number('crop')];
const [batch, steps, threads] = [number('batch'), number('steps'), number('threads')];

const model = randomHeadModel({ head: values.head as 'linear' | 'upernet', embed, channels, crop });
const train = TrainSchema.parse({
  steps: 1_000_000,
  batch,
  dropout: values.head === 'upernet' ? 0.1 : 0,
  data: {},
  optimizer: { type: 'adamw', lr: 1e-4, weightDecay: 0.05 },
  schedule: { type: 'poly', warmup: { steps: 0, ratio: 1 } },
  augmentation: { longPx: 4 * crop, shortPx: crop },
  checkpointEvery: 1,
  evaluateEvery: 1,
});
const config = { model, train, run: { device: 'cpu', batch, precision: 'float32' } as const };
await using trainer = await ModelTrainer.open({ config, step: 0, threads });
let parameters = 0;
for (const [name, data] of initialHead({ model }, 0)) {
  if (isParameter({ name })) parameters += data.length;
  await trainer.put({ name, data });
}

const { uniform } = drawsAt(0, 'bench');
const grid = crop / model.backbone.patchSizePx;
const seconds = [];
const losses = [];
const parts = [];
for (let step = 0; step <= steps; step++) {
  const features = model.backbone.taps.map(() =>
    new Float32Array(batch * embed * grid * grid).map(() => uniform() - 0.5),
  );
  const labels = new Uint8Array(batch * crop * crop).map(() => {
    const label = Math.floor(uniform() * 151);
    return label === 150 ? 255 : label;
  });
  const start = performance.now();
  const { loss } = await trainer.step({ features, labels });
  seconds.push((performance.now() - start) / 1000);
  losses.push(loss);
  parts.push(trainer.seconds);
}
const peak_bytes = process.resourceUsage().maxRSS * 1024;
console.log(
  JSON.stringify({
    seconds: seconds.slice(1),
    losses: losses.slice(1),
    parts: parts.slice(1),
    parameters,
    peak_bytes,
    threads,
  }),
);
