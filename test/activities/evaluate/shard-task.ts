import { onTestFinished } from 'vitest';
import { fetchOwnModel } from '../../../activities/deliver/fetch-own-model.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { ShardEvaluator } from '../../../activities/evaluate/evaluate-shard.ts';
import { loadClasses } from '../../../activities/plan/load-config.ts';
import type { Config } from '../../../core/config/config.ts';
import type { ShardHeartbeat, ShardTask } from '../../../core/config/eval.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import type { Store } from '../../../core/store.ts';
import { sha256, type stagedSet, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

type StagedSet = Awaited<ReturnType<typeof stagedSet>>;

/** A task of a staged set: all of its images unless told otherwise, with overlays of these. */
export async function shardTask(
  { objects, input, manifest }: StagedSet,
  {
    config = tinyConfig(),
    first = 0,
    count = manifest.images.length,
    overlays = [],
  }: { config?: Config; first?: number; count?: number; overlays?: string[] } = {},
): Promise<ShardTask> {
  const staged = (uri: string) => {
    const bytes = objects.get(uri)!;
    return { uri, sha256: sha256(bytes), sizeBytes: bytes.length };
  };
  const dataset = staged(`${input.dataset}/validation.manifest.json`);
  const { name, split, images } = manifest;
  return {
    run: {
      prefix: 's3://bucket/runs/eval-1',
      config,
      weights: staged(input.weights),
      head: null,
      dataset: { ...dataset, name, split, images: images.length },
    },
    range: { shard: 3, first, count },
    overlays,
    classes: overlays.length > 0 || config.run.show ? await loadClasses('ade20k') : null,
    labelIds: null,
    batch: config.run.batch,
  };
}

/** An evaluator with a cache of its own (beside one that is only read), that ends with the test; it keeps what it predicted. */
export function openEvaluator(
  store: Store,
  readOnly: string | null = null,
  onPrediction: (id: string) => void = () => {},
) {
  const cacheFolder = temporaryFolder();
  const fetched: string[] = [];
  const predictions = new Map<string, Labels>();
  const evaluator = new ShardEvaluator({
    store,
    worker: 'worker-0',
    cacheFolder,
    async fetch(object, { signal }) {
      const file = await fetchToCache(store, cacheFolder, object, { signal, readOnly });
      fetched.push(file);
      return { file };
    },
    fetchOwnModel: (object, files, { signal }) =>
      fetchOwnModel(store, cacheFolder, object, files, { signal, readOnly }),
    startSeconds: 1.5,
    onPrediction(id, labels) {
      onPrediction(id);
      predictions.set(id, labels.slice());
    },
  });
  onTestFinished(() => evaluator[Symbol.asyncDispose]());
  const heartbeats: ShardHeartbeat[] = [];
  const evaluate = (task: ShardTask, signal = new AbortController().signal) =>
    evaluator.evaluateShard(task, { attempt: 2, signal, heartbeat: (details) => heartbeats.push(details) });
  return { evaluate, fetched, predictions, heartbeats };
}
