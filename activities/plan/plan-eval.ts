import { submissionIdsOf } from '../../core/config/config.ts';
import { type EvalInput, EvalInputSchema, type EvalRun, type Plan } from '../../core/config/eval.ts';
import type { FleetSpec } from '../../core/config/fleet.ts';
import { isOnnx, type OnnxConfig, type VitConfig, vitConfig } from '../../core/config/model-kinds.ts';
import { parseInput } from '../../core/config/parse.ts';
import { ensureCheckpoints } from '../../core/config/published.ts';
import { evaluatedModel } from '../../core/model/head.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import { cutShards } from '../../core/shard/cut-shards.ts';
import type { Store } from '../../core/store.ts';
import type { Hub } from '../hub/hub.ts';
import { checkDeviceMemory } from './check-device-memory.ts';
import { finishedResult } from './finished-result.ts';
import { fleetSpec, type WorkflowRun } from './fleet-spec.ts';
import { imageCosts } from './image-costs.ts';
import { planOwnModelAt } from './own-model.ts';
import { resolveConfig } from './resolve-config.ts';
import { runPrefix } from './run-prefix.ts';
import { ensureAnnotated, plannedWeights, stagedSplit } from './staged.ts';

/** What the control worker knows about itself. */
export interface PlanContext {
  store: Store;
  /** Absent where only staged weights are read. */
  hub?: Hub;
  launcher: string;
  codeVersion: string;
  imageDigest: string | null;
}

/**
 * Checks everything that can be checked before a worker exists, and cuts the work.
 * Of the checkpoints only the manifests are read.
 *
 * @param host the fleet of another run that this one is a part of: it works there, and launches nothing
 * @throws BadInput, BadData naming what is wrong
 */
export async function planEval(
  context: PlanContext,
  request: EvalInput,
  workflow: WorkflowRun,
  host: FleetSpec | null = null,
): Promise<Plan> {
  const { store } = context;
  const input = parseInput(EvalInputSchema, request, 'EvalMIoU input');
  const prefix = runPrefix(input, workflow);
  const { config: resolved, classes } = await resolveConfig(input, 'EvalMIoU input');
  ensureCheckpoints(resolved, input);
  const { config, ...model } = isOnnx(resolved)
    ? await plannedOnnx(context, resolved)
    : await plannedVit(context, vitConfig(resolved), input);

  const { manifest, object } = await stagedSplit(store, input.dataset, input.split);
  if (!config.run.show && config.run.predictions === 'none')
    ensureAnnotated(
      manifest,
      object.uri,
      'no mIoU: ask for label maps (--format-only or --out), or for painted images (--show)',
    );
  const shards = cutShards(imageCosts(manifest, config, object.uri), config.run.shards);

  const deadlineSeconds = Math.round(input.deadlineMinutes * 60);
  const run: EvalRun = {
    workflowId: workflow.workflowId,
    runId: workflow.runId,
    prefix,
    codeVersion: context.codeVersion,
    imageDigest: context.imageDigest,
    config,
    classes,
    ...model,
    dataset: { ...object, name: manifest.name, split: manifest.split, images: manifest.images.length },
    imageIds: manifest.images.map((image) => image.id),
    shards,
    overlays: spread(manifest.images, config.run.overlays).map((image) => image.id),
    labelIds: config.run.predictions === 'submission' ? submissionIdsOf(classes) : null,
    fleet: host
      ? { ...host, workers: Math.min(host.workers, shards.length) }
      : fleetSpec('eval', workflow, {
          launcher: context.launcher,
          config,
          deadlineSeconds,
          prefix,
          labels: input.labels,
          workers: Math.min(config.run.workers, shards.length),
        }),
    deadlineSeconds,
    ...(input.labels ? { labels: input.labels } : {}),
  };
  const result = await finishedResult(store, run);
  if (result) return { kind: 'finished', result };
  await store.checkWrites(input.output);
  return { kind: 'run', run };
}

type PlannedModel = Pick<EvalRun, 'config' | 'weights' | 'head' | 'ownModel' | 'ignoredKeys'>;

/** A model of ours, whose weights are in checkpoints. */
async function plannedVit(
  context: PlanContext,
  resolved: VitConfig,
  input: Pick<EvalInput, 'weights' | 'head'>,
): Promise<PlannedModel> {
  const config = { ...resolved, model: evaluatedModel(resolved.model) };
  checkDeviceMemory(config);
  const weights = await plannedWeights(context, input.weights!);
  const head = input.head ? await plannedWeights(context, input.head) : null;
  const indices = [weights, head].flatMap((found) => found?.index ?? []);
  const { ignoredKeys } = matchWeights(indices, config.model);
  return { config, weights: weights.object, head: head?.object ?? null, ignoredKeys };
}

/** A model in one ONNX file. How much memory it takes is not known. */
async function plannedOnnx({ store }: PlanContext, config: OnnxConfig): Promise<PlannedModel> {
  const { model, pipeline } = config;
  const { object, ownModel } = await planOwnModelAt(store, model.file, model, pipeline);
  return { config, weights: object, head: null, ownModel, ignoredKeys: [] };
}

/** `count` items, evenly from first to last. */
function spread<T>(items: T[], count: number): T[] {
  const wanted = Math.min(count, items.length);
  return Array.from({ length: wanted }, (_, i) => items[Math.floor((i * items.length) / wanted)]!);
}
