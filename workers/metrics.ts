import { ApplicationFailure } from '@temporalio/activity';
import { Runtime } from '@temporalio/worker';
import type { ShardTimings } from '../activities/evaluate/evaluate-shard.ts';
import type { GpuActivities } from '../activities/gpu.ts';
import type { ShardResult } from '../core/config/eval.ts';
import type { WorkerState } from '../core/config/fleet.ts';
import type { TrainableConfig } from '../core/config/train-run.ts';
import type { Store } from '../core/store.ts';
import type { TrainRecord } from '../core/train/train-log.ts';

/** Bounds of every histogram here, in seconds: from an image's decoding to an hour's shard. */
const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];

const HISTOGRAMS = {
  shard: 'tessera_shard_seconds',
  phase: 'tessera_worker_phase_seconds',
  image: 'tessera_image_work_seconds',
  step: 'tessera_training_step_seconds',
  pod: 'tessera_worker_start_seconds',
  /** Recorded by workflows/metrics.ts. */
  run: 'tessera_run_seconds',
} as const;

/** For the exporter: the SDK's own bounds are milliseconds. */
export const HISTOGRAM_BUCKETS = Object.fromEntries(Object.values(HISTOGRAMS).map((name) => [name, SECONDS]));

type MetricMeter = Runtime['metricMeter'];
type Gpu = Pick<GpuActivities, 'evaluateShard' | 'trainSegment' | 'serveFeatures'>;

/** What a GPU worker counts. Labels are names of configs, phases and classes of failures: few, however many runs there are. */
export interface GpuMetrics {
  /** Activities that count what they do. */
  counted<A extends Gpu>(activities: A): A;
  onTimings(timings: ShardTimings): void;
  onTrainRecord(config: TrainableConfig, record: TrainRecord): void;
  /** @param bytes that had to be fetched; 0: all were in the cache */
  onWeights(bytes: number): void;
  countedStore<S extends Store>(store: S): S;
}

/** A GPU worker's metrics, on the SDK's port beside its own. `installTelemetry` comes first. */
export function gpuMetrics(meter: MetricMeter = Runtime.instance().metricMeter): GpuMetrics {
  const images = meter.createCounter('tessera_images_total', '', 'Images of shards that are done');
  const shards = meter.createCounter(
    'tessera_shards_total',
    '',
    'Shards by outcome: done, or the class of the failure',
  );
  const segments = meter.createCounter(
    'tessera_training_segments_total',
    '',
    'Parts of trainings by outcome',
  );
  const steps = meter.createCounter('tessera_training_steps_total', '', 'Optimizer steps');
  const weights = meter.createCounter(
    'tessera_weights_total',
    '',
    'Weights asked for, by where they were: cache or store',
  );
  const bytes = meter.createCounter(
    'tessera_weights_bytes_total',
    'By',
    'Bytes of weights fetched from the store',
  );
  const traffic = meter.createCounter(
    'tessera_store_bytes_total',
    'By',
    'Bytes of objects read from the store and written to it',
  );
  const loss = meter.createGauge('tessera_training_loss', 'float', '', 'Mean loss of the latest steps');
  const lr = meter.createGauge('tessera_training_learning_rate', 'float', '', 'Learning rate');
  const shardSeconds = meter.createHistogram(HISTOGRAMS.shard, 'float', 's', 'Seconds of a shard');
  const phases = meter.createHistogram(
    HISTOGRAMS.phase,
    'float',
    's',
    'Seconds of a shard by phase; compute and idle are those of the inference thread',
  );
  const imagePhases = meter.createHistogram(
    HISTOGRAMS.image,
    'float',
    's',
    'Seconds that a shard’s images took outside of inference, by phase, summed over its images',
  );
  const stepSeconds = meter.createHistogram(
    HISTOGRAMS.step,
    'float',
    's',
    'Seconds of a step by part: compute, or wait for features',
  );

  const shardDone = (config: string, { images: done, seconds, phases: spent }: ShardResult) => {
    images.add(done.length, { config });
    shardSeconds.record(seconds, { config });
    for (const [name, value] of Object.entries(spent))
      phases.record(value, { config, phase: snakeCase(name) });
  };

  return {
    counted: (activities) => ({
      ...activities,
      evaluateShard: async (task) => {
        const { name: config } = task.run.config;
        const result = await outcome(activities.evaluateShard(task), (outcome) =>
          shards.add(1, { config, outcome }),
        );
        shardDone(config, result);
        return result;
      },
      trainSegment: (task) =>
        outcome(activities.trainSegment(task), (outcome) =>
          segments.add(1, { config: task.run.config.name, outcome }),
        ),
    }),
    onTimings: ({ images: { count, fetch, decode, preprocess } }) => {
      for (const [phase, seconds] of Object.entries({ fetch, decode, preprocess, count }))
        imagePhases.record(seconds, { phase });
    },
    onTrainRecord: ({ name: config, train }, { loss: value, lr: rate, time, data_time: wait }) => {
      loss.set(value, { config });
      lr.set(rate, { config });
      steps.add(train.logEvery, { config });
      stepSeconds.record(Math.max(0, time - wait), { config, part: 'compute' });
      stepSeconds.record(wait, { config, part: 'wait' });
    },
    onWeights: (fetched) => {
      weights.add(1, { from: fetched === 0 ? 'cache' : 'store' });
      bytes.add(fetched);
    },
    countedStore: (store) => ({
      ...store,
      read: async (uri, range) => {
        const body = await store.read(uri, range);
        traffic.add(body.length, { direction: 'read' });
        return body;
      },
      write: async (uri, body, options) => {
        await store.write(uri, body, options);
        traffic.add(body.length, { direction: 'write' });
      },
      upload: async (uri, file, onProgress) => {
        let sent = 0;
        await store.upload(uri, file, (bytes) => {
          sent = bytes;
          onProgress?.(bytes);
        });
        traffic.add(sent, { direction: 'write' });
      },
    }),
  };
}

/** What a control worker counts: of the workers of its runs. @returns is called with what has changed of a fleet */
export function fleetMetrics(
  meter: MetricMeter = Runtime.instance().metricMeter,
): (changes: WorkerState[]) => void {
  const gone = meter.createCounter(
    'tessera_workers_gone_total',
    '',
    'Workers that went before their run was done, by cause',
  );
  const started = meter.createHistogram(
    HISTOGRAMS.pod,
    'float',
    's',
    'Seconds of a pod’s start by phase: schedule (queue included), pull',
  );
  const seen = new Set<string>();
  const isFirst = (event: string) => !seen.has(event) && seen.add(event);
  return (changes) => {
    for (const { name, state, cause, seconds } of changes) {
      if (state === 'gone' && isFirst(`gone ${name}`)) gone.add(1, { cause: cause?.kind ?? 'unknown' });
      if (seconds && isFirst(`started ${name}`))
        for (const [phase, value] of Object.entries(seconds)) started.record(value, { phase });
    }
  };
}

async function outcome<T>(work: Promise<T>, count: (outcome: string) => void): Promise<T> {
  try {
    const result = await work;
    count('done');
    return result;
  } catch (error) {
    count(error instanceof ApplicationFailure ? (error.type ?? 'Unexpected') : 'cancelled');
    throw error;
  }
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
