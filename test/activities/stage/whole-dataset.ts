import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import { parse } from 'yaml';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { CONFIGS } from '../../../activities/plan/load-config.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { layoutOf } from '../../../cli/stage.ts';
import { DatasetManifestSchema } from '../../../core/config/manifests.ts';
import { type VitConfig, vitConfig } from '../../../core/config/model-kinds.ts';
import { parseConfig } from '../../../core/config/parse.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import { createRandom, randomCheckpoint, TINY } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { openEvaluator } from '../evaluate/shard-task.ts';
import { pngOf } from '../images/hand-made-png.ts';
import { plannedRun } from '../plan/plan-of.ts';

const HOOKS = { signal: new AbortController().signal, onProgress: () => {} };
export const IGNORED = 255;

/** The dataset section that a file in configs/datasets shows in its header. */
export function sectionOf(name: string): Record<string, unknown> {
  const lines = readFileSync(join(CONFIGS, 'datasets', `${name}.yaml`), 'utf8').split('\n');
  const shown = lines.filter((line) => /^# {3}/.test(line)).map((line) => line.slice(4));
  return parse(shown.join('\n')).dataset;
}

/** The tiny model with another head, on another dataset. */
export function configOf(classes: number, dataset: Record<string, unknown>): VitConfig {
  const head = { ...TINY.model.head, classes };
  return vitConfig(parseConfig({ ...TINY, model: { ...TINY.model, head }, dataset }, 'test'));
}

/** Labels of a 40×30 image: all classes and the ignored one, the same for the same seed. */
export function labelsOf(classes: number, seed: number): Uint8Array {
  const random = createRandom(seed);
  const any = () => (random() < 0.1 ? IGNORED : Math.floor(classes * random()));
  return Uint8Array.from({ length: 40 * 30 }, any);
}

/** The PNG of a photograph, which is what Cityscapes has. */
export function photographOf(seed: number): Buffer {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: 40 * 30 * 3 }, () => 256 * random());
  return Buffer.from(encode({ width: 40, height: 30, data, channels: 3, depth: 8 }));
}

export function greyOf(labels: Uint8Array): Buffer {
  return Buffer.from(encode({ width: 40, height: 30, data: labels, channels: 1, depth: 8 }));
}

/** An annotation as VOC has them: an index into a palette of colours. */
export function paletteOf(labels: Uint8Array): Buffer {
  const rows = Array.from({ length: 30 }, (_, y) => [...labels.subarray(40 * y, 40 * (y + 1))]);
  const palette = Array.from({ length: 256 }, (_, i) => [i, 255 - i, (7 * i) % 256]);
  return pngOf({ width: 40, height: 30, depth: 8, color: 'palette', palette, rows });
}

export function write(root: string, files: Record<string, Buffer | string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** Stages, plans and evaluates all that a folder has, with a random model. */
export async function evaluated(source: string, config: VitConfig, annotationSource?: string) {
  const store = memoryStore();
  const layout = layoutOf(config.dataset, 'validation');
  const dataset = 's3://bucket/data';
  const { manifestUri } = await stageDataset(
    store,
    { source, annotationSource, destination: dataset, name: 'other', ...layout },
    HOOKS,
  );
  const weights = 's3://bucket/weights.pth';
  const file = join(temporaryFolder(), 'weights.pth');
  writeFileSync(file, randomCheckpoint(config.model));
  await stageWeights(store, { source: file, destination: weights }, HOOKS);

  const run = await plannedRun(store, { config, weights, dataset, output: 's3://bucket/runs' });
  const { evaluate, predictions } = openEvaluator(store);
  const counts = new Float64Array(config.model.head.classes ** 2);
  for (const range of run.shards) {
    const result = await evaluate({
      run,
      range,
      overlays: [],
      classes: null,
      labelIds: run.labelIds,
      batch: config.run.batch,
    });
    for (const [i, count] of decodeMatrix(result.matrix).counts.entries()) counts[i]! += count;
  }
  const manifest = DatasetManifestSchema.parse(JSON.parse((await store.read(manifestUri)).toString()));
  return { store, run, counts, predictions, manifest };
}

/** The confusion matrix by the definition: label c is row c, what is no class is not counted. */
export function matrixOf(classes: number, truth: Map<string, Labels>, predictions: Map<string, Labels>) {
  const counts = new Float64Array(classes ** 2);
  for (const [id, labels] of truth)
    for (const [i, label] of labels.entries())
      if (label < classes) counts[label * classes + predictions.get(id)![i]!]! += 1;
  return counts;
}
