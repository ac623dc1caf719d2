import { openTorchFile } from '../../core/checkpoint/torch-file.ts';
import type { Config } from '../../core/config/config.ts';
import {
  type EvalInput,
  EvalInputSchema,
  type EvalRun,
  type Plan,
  type StagedObject,
} from '../../core/config/eval.ts';
import { BadData, BadInput } from '../../core/config/failures.ts';
import {
  type DatasetManifest,
  DatasetManifestSchema,
  WeightsManifestSchema,
} from '../../core/config/manifests.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { parseAs, parseConfig } from '../../core/config/parse.ts';
import { networkSize } from '../../core/image/test-size.ts';
import { viewKinds } from '../../core/image/views.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import { slideWindows, windowCount } from '../../core/model/slide-windows.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { cutShards } from '../../core/shard/cut-shards.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { finishedResult } from './finished-result.ts';
import { loadClasses, loadConfig } from './load-config.ts';

/** What the control worker knows about itself. */
export interface PlanContext {
  store: Store;
  launcher: string;
  codeVersion: string;
  imageDigest: string | null;
}

/** Image ids go through Temporal's history: so many fit well below its limit for one payload. */
const MAX_IMAGES = 50_000;

/**
 * Checks everything that can be checked before a worker exists, and cuts the work.
 * Of the checkpoints only the tables of contents are read.
 *
 * @throws BadInput, BadData naming what is wrong
 */
export async function planEval(
  context: PlanContext,
  request: EvalInput,
  workflow: { workflowId: string; runId: string; taskQueue: string },
): Promise<Plan> {
  const { store } = context;
  const input = parseAs(EvalInputSchema, request, 'EvalMIoU input');
  const base =
    typeof input.config === 'string'
      ? await loadConfig(input.config)
      : parseConfig(input.config, 'EvalMIoU input config');
  const config = applyOverrides(base, input.overrides, base.name);
  const classes = await loadClasses(config.dataset.classes);
  if (classes.classes.length !== config.model.head.classes)
    throw new BadInput(
      `${config.name}: model.head.classes is ${config.model.head.classes}, but configs/datasets/${config.dataset.classes}.yaml has ${classes.classes.length}`,
    );

  const weights = await stagedWeights(store, input.weights);
  const head = input.head ? await stagedWeights(store, input.head) : null;
  const torchFiles = await Promise.all(
    [weights, head]
      .filter((object) => object !== null)
      .map(({ uri, sizeBytes }) =>
        openTorchFile(uri, sizeBytes, (offset, length) => store.read(uri, { offset, length })),
      ),
  );
  const { ignoredKeys } = matchWeights(torchFiles, config.model);

  const { manifest, object } = await readManifest(
    store,
    joinUri(input.dataset, `${input.split}.manifest.json`),
    DatasetManifestSchema,
    `Stage it first: tessera stage dataset SOURCE ${input.dataset} --split ${input.split}`,
  );
  if (manifest.images.length > MAX_IMAGES)
    throw new BadInput(
      `${object.uri}: ${manifest.images.length} images; at most ${MAX_IMAGES} fit one run: split it`,
    );
  const shards = cutShards(imageCosts(manifest, config, object.uri), config.run.shards);

  const prefix = joinUri(input.output, workflow.workflowId, ...(input.recompute ? [workflow.runId] : []));
  const deadlineSeconds = Math.round(input.deadlineMinutes * 60);
  const run: EvalRun = {
    workflowId: workflow.workflowId,
    runId: workflow.runId,
    prefix,
    codeVersion: context.codeVersion,
    imageDigest: context.imageDigest,
    config,
    classes,
    weights,
    head,
    dataset: { ...object, name: manifest.name, split: manifest.split, images: manifest.images.length },
    ignoredKeys,
    imageIds: manifest.images.map((image) => image.id),
    shards,
    overlays: spread(manifest.images, config.run.overlays).map((image) => image.id),
    fleet: {
      name: `eval-${workflow.runId}`,
      launcher: context.launcher,
      workflowId: workflow.workflowId,
      runId: workflow.runId,
      taskQueue: `${workflow.taskQueue}-${workflow.runId}`,
      workers: Math.min(config.run.workers, shards.length),
      device: config.run.device,
      deadlineSeconds,
      logs: joinUri(prefix, 'logs'),
    },
    deadlineSeconds,
  };
  const result = await finishedResult(store, run);
  return result ? { kind: 'finished', result } : { kind: 'run', run };
}

async function stagedWeights(store: Store, uri: string): Promise<StagedObject> {
  const info = await store.head(uri);
  const { manifest } = await readManifest(
    store,
    `${uri}.manifest.json`,
    WeightsManifestSchema,
    `Stage it first: tessera stage weights SOURCE ${uri}`,
  );
  const { sizeBytes, sha256 } = manifest.file;
  if (info.sizeBytes !== sizeBytes)
    throw new BadData(
      `${uri}: ${info.sizeBytes} bytes, but its manifest says ${sizeBytes}: truncated? Stage it again`,
    );
  return { uri, sha256, sizeBytes, ...(info.versionId ? { versionId: info.versionId } : {}) };
}

/** An image costs as many crops as its views make. */
function imageCosts({ images }: DatasetManifest, { model, pipeline }: Config, uri: string): number[] {
  const kinds = viewKinds(pipeline);
  return images.map((image) => {
    let crops = 0;
    for (const { ratio } of kinds) {
      const size = networkSize(image, pipeline.resize, ratio);
      const grid = slideWindows(size, model);
      if (!grid)
        throw new BadInput(
          `${uri}: ${image.id} (${image.width}×${image.height} px) becomes ${size.width}×${size.height} px, which ` +
            `${model.test.mode} mode with crops of ${model.backbone.imageSizePx} px cannot cover; see pipeline.resize`,
        );
      crops += windowCount(grid);
    }
    return crops;
  });
}

/** `count` items, evenly from first to last. */
function spread<T>(items: T[], count: number): T[] {
  const wanted = Math.min(count, items.length);
  return Array.from({ length: wanted }, (_, i) => items[Math.floor((i * items.length) / wanted)]!);
}
