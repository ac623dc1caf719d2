import path from 'node:path';
import { type StageHooks, stageDataset } from '../../activities/stage/stage-dataset.ts';
import { stageWeights } from '../../activities/stage/stage-weights.ts';
import type { EvalInput } from '../../core/config/eval.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { joinUri, type Store } from '../../core/store.ts';

/** What is benchmarked, as files on this machine. */
export interface BenchFiles {
  /** In ADE20K's layout. */
  ade: string;
  backbone: string;
  head: string;
}

/** Stages files as a user's are, and gives the run that evaluates them. What is there already stays. */
export async function stageInputs(
  store: Store,
  root: string,
  files: BenchFiles,
  config: VitConfig,
): Promise<EvalInput> {
  const hooks: StageHooks = { signal: new AbortController().signal, onProgress() {} };
  const { imageDir, annotationDir, imageSuffix, annotationSuffix } = config.dataset;
  const weights = joinUri(root, 'weights', path.basename(files.backbone));
  const head = joinUri(root, 'weights', path.basename(files.head));
  const dataset = joinUri(root, 'datasets/mini-ade20k');
  await stageWeights(store, { source: files.backbone, destination: weights }, hooks);
  await stageWeights(store, { source: files.head, destination: head }, hooks);
  await stageDataset(
    store,
    {
      source: files.ade,
      destination: dataset,
      name: 'mini ADE20K',
      imageDir,
      annotationDir,
      imageSuffix,
      annotationSuffix,
    },
    hooks,
  );
  return { config, weights, head, dataset, output: joinUri(root, 'runs') };
}
