import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { ShardEvaluator } from '../../../activities/evaluate/evaluate-shard.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import type { StagedObject } from '../../../core/config/eval.ts';
import { type DatasetManifest, DatasetManifestSchema } from '../../../core/config/manifests.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { parseAs } from '../../../core/config/parse.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { AUG_TEST } from '../../../core/image/views.ts';
import type { Store } from '../../../core/store.ts';
import type { GoldenFolder, PipelineRun } from './manifest.ts';
import { fromMmcv, NotImplemented } from './mmcv-config.ts';

export const ROOT = 's3://golden/ade';

/** One of the original's test runs, as a worker evaluates it. */
export interface EvaluatedRun extends Disposable {
  config: VitConfig;
  store: Store;
  manifest: DatasetManifest;
  /** Holds the checkpoints. */
  folder: string;
  checkpoints: { name: string; file: string }[];
  predictions: Map<string, Labels>;
  /** Encoded. */
  matrix: string;
}

/** Stages the run's images and checkpoints, and evaluates them by the worker's own code as one shard. */
export async function evaluateRun(golden: GoldenFolder, run: PipelineRun): Promise<EvaluatedRun> {
  if (!run.config || !run.checkpoint || !run.pretrained || !run.data_root)
    throw new NotImplemented('a run without config, checkpoints or data');
  const config = fromMmcv(golden.json(run.config), {}, run.config);
  config.run.device = golden.device;
  if (run.aug_test) config.pipeline.augmentation = AUG_TEST;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-'));
  mkdirSync(path.join(folder, 'objects'));
  const fileOf = ({ sha256 }: StagedObject) => path.join(folder, 'objects', sha256);
  const weights = cached(folder, golden.path(run.pretrained));
  const head = cached(folder, golden.path(run.checkpoint));
  const store = memoryStore();
  const { manifest, object } = await stage(store, golden.path(run.data_root), config, run.images);
  const predictions = new Map<string, Labels>();
  await using evaluator = new ShardEvaluator({
    store,
    worker: 'golden',
    cacheFolder: folder,
    startSeconds: 0,
    fetch: async (staged) => ({ file: fileOf(staged) }),
    onPrediction: (id, labels) => predictions.set(id, labels),
  });
  const dataset = { ...object, name: 'golden', split: 'validation', images: manifest.images.length };
  const { matrix } = await evaluator.evaluateShard(
    {
      run: { prefix: 's3://golden/out', config, weights, head, dataset },
      range: { shard: 0, first: 0, count: manifest.images.length },
      overlays: [],
      classes: null,
      labelIds: null,
      batch: config.run.batch,
    },
    { attempt: 1, signal: new AbortController().signal, heartbeat() {} },
  );
  const checkpoints = [weights, head].map((staged) => ({ name: staged.uri, file: fileOf(staged) }));
  const end = () => rmSync(folder, { recursive: true });
  return { config, store, manifest, folder, checkpoints, predictions, matrix, [Symbol.dispose]: end };
}

function cached(folder: string, file: string): StagedObject {
  const bytes = readFileSync(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  copyFileSync(file, path.join(folder, 'objects', sha256));
  return { uri: file, sha256, sizeBytes: bytes.length };
}

async function stage(store: Store, source: string, { dataset }: VitConfig, ids: string[]) {
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = dataset;
  const layout = { imageDir, annotationDir, imageSuffix, annotationSuffix };
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  const { manifestUri } = await stageDataset(
    store,
    { source, destination: ROOT, name: 'golden', ...layout },
    hooks,
  );
  const whole = parseAs(
    DatasetManifestSchema,
    JSON.parse((await store.read(manifestUri)).toString()),
    manifestUri,
  );
  const manifest = { ...whole, images: whole.images.filter((image) => ids.includes(image.id)) };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await store.write(manifestUri, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { manifest, object: { uri: manifestUri, sha256, sizeBytes: bytes.length } };
}
