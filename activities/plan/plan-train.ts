import { differences, differencesText } from '../../core/config/differences.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import { vitConfig } from '../../core/config/model-kinds.ts';
import { parseInput } from '../../core/config/parse.ts';
import {
  type TrainableConfig,
  type TrainInput,
  TrainInputSchema,
  type TrainPlan,
  type TrainRun,
  type TrainStart,
} from '../../core/config/train-run.ts';
import { isWide } from '../../core/image/label-map.ts';
import { backboneSpecs } from '../../core/model/backbone.ts';
import { headSpecs } from '../../core/model/head.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import type { Store } from '../../core/store.ts';
import {
  type Checkpoint,
  checkpointFile,
  checkpointFolder,
  findCheckpoint,
  listCheckpoints,
  savedCheckpoint,
} from '../../core/train/checkpoint-pointers.ts';
import { matchState } from '../../core/train/match-state.ts';
import { recipeOf } from '../../core/train/recipe.ts';
import { historyEvents, MAX_HISTORY_EVENTS } from '../../core/train/segments.ts';
import { optimizerSpecs, stateSpecs } from '../../core/train/state-specs.ts';
import { evaluationsOf, readLog, upTo } from '../../core/train/train-log.ts';
import { trainedText } from '../../core/train/trainable.ts';
import { checkDeviceMemory } from './check-device-memory.ts';
import { chooseState } from './choose-state.ts';
import { finishedTraining } from './finished-training.ts';
import { fleetSpec, type WorkflowRun } from './fleet-spec.ts';
import { imageCosts } from './image-costs.ts';
import type { PlanContext } from './plan-eval.ts';
import { resolveConfig } from './resolve-config.ts';
import { runPrefix } from './run-prefix.ts';
import { ensureAnnotated, plannedWeights, stagedSplit, stagedWeights } from './staged.ts';

/**
 * Checks everything that can be checked before a worker exists, for the evaluations as well, and finds what earlier
 * runs of this workflow id have left. Of checkpoints only the manifests are read.
 *
 * @throws BadInput, BadData naming what is wrong
 */
export async function planTrain(
  context: PlanContext,
  request: TrainInput,
  workflow: WorkflowRun,
): Promise<TrainPlan> {
  const { store } = context;
  const { workflowId, runId } = workflow;
  const input = parseInput(TrainInputSchema, request, 'Train input');
  const prefix = runPrefix(input, workflow);
  const { config: given, classes } = await resolveConfig(input, 'Train input');
  const resolved = vitConfig(given);
  const { train } = resolved;
  if (!train)
    throw new BadInput(
      `${resolved.name}: has no section 'train'; Train needs one, see 'tessera configs' for those that have it`,
    );
  if (isWide(classes.classes.length))
    throw new BadInput(
      `${resolved.name}: has ${classes.classes.length} classes; a training takes at most 255, more are only evaluated`,
    );
  const asked: TrainableConfig = { ...resolved, train };
  checkDeviceMemory(asked);
  const config: TrainableConfig = { ...asked, run: { ...asked.run, state: chooseState(asked) } };

  const weights = await plannedWeights(context, input.weights);
  matchWeights([weights.index], config.model, backboneSpecs(config.model));
  const training = await stagedSplit(store, input.dataset, train.data.split);
  const evaluation = await stagedSplit(store, input.dataset, input.evaluationSplit);
  for (const { manifest, object } of [training, evaluation])
    ensureAnnotated(manifest, object.uri, 'no use for a training');
  if (!input.allowOverlap) ensureDisjoint(training.manifest, evaluation.manifest, input.dataset);
  imageCosts(evaluation.manifest, config, evaluation.object.uri);

  const deadlineSeconds = Math.round(input.deadlineMinutes * 60);
  const planned: Omit<TrainRun, 'start'> = {
    workflowId,
    runId,
    prefix,
    config,
    trained: trainedText(config),
    classes,
    weights: weights.object,
    deadlineSeconds,
    ...(input.labels ? { labels: input.labels } : {}),
    codeVersion: context.codeVersion,
    imageDigest: context.imageDigest,
    dataset: trainingSet(training, config),
    evaluation: { dataset: input.dataset, split: input.evaluationSplit },
    fleet: fleetSpec('train', workflow, {
      launcher: context.launcher,
      config,
      deadlineSeconds,
      prefix,
      labels: input.labels,
      workers: config.run.workers,
    }),
  };
  const result = await finishedTraining(store, planned);
  if (result) return { kind: 'finished', result };
  await store.checkWrites(input.output);
  checkHistory(config);
  const checkpoint = await ownCheckpoint(store, planned, input.resume);
  // What a training began with may be gone by now: another run keeps few of its checkpoints.
  const run: TrainRun = { ...planned, start: checkpoint?.start ?? (await findStart(store, input, config)) };
  const log = upTo(await readLog(store, prefix), checkpoint?.step ?? 0);
  return {
    kind: 'run',
    run,
    evaluations: evaluationsOf(log),
    checkpoint: checkpoint ? savedCheckpoint(checkpoint) : null,
  };
}

/** @throws BadInput if images are trained on that the evaluation has as well: its mIoU would mean nothing */
function ensureDisjoint(training: DatasetManifest, evaluation: DatasetManifest, dataset: string): void {
  const evaluated = new Set(evaluation.images.map(({ image }) => image.sha256));
  const shared = training.images.filter(({ image }) => evaluated.has(image.sha256));
  if (shared.length === 0) return;
  throw new BadInput(
    `${dataset}: ${shared.length} of ${training.images.length} images of split '${training.split}' are in split ` +
      `'${evaluation.split}' as well, which the training is evaluated on (${shared[0]!.id}${shared.length > 1 ? ' …' : ''}). ` +
      'Stage the right files, or say that it is meant: "allowOverlap": true (--allow-overlap)',
  );
}

/** @throws BadInput for a training that Temporal would end by the size of its history, days later */
function checkHistory({ name, train, run }: TrainableConfig): void {
  const events = historyEvents(train, run.workers);
  if (events <= MAX_HISTORY_EVENTS) return;
  const { steps, evaluateEvery, checkpointEvery } = train;
  throw new BadInput(
    `${name}: ${steps} steps with train.evaluateEvery ${evaluateEvery}, train.checkpointEvery ${checkpointEvery} and ` +
      `run.workers ${run.workers} would be ${events} events of Temporal's history; expected ${MAX_HISTORY_EVENTS} at ` +
      'the most. Evaluate less often, save less often, or take fewer workers',
  );
}

function trainingSet(
  { manifest, object }: { manifest: DatasetManifest; object: StagedObject },
  { name, train }: TrainableConfig,
): TrainRun['dataset'] {
  const there = manifest.images.length;
  const images = train.data.images ?? there;
  if (images > there)
    throw new BadInput(`${name}: train.data.images is ${images}, but ${object.uri} has ${there} images`);
  return { ...object, name: manifest.name, split: manifest.split, images };
}

/** @throws BadInput if what the training shall begin with is another head's */
async function findStart(
  store: Store,
  { resumeFrom, loadFrom }: Pick<TrainInput, 'resumeFrom' | 'loadFrom'>,
  config: TrainableConfig,
): Promise<TrainStart> {
  if (loadFrom) {
    const head = await stagedWeights(store, loadFrom);
    matchState(head.index, headSpecs(config.model), config.name);
    return { from: 'head', head: head.object };
  }
  if (!resumeFrom) return { from: 'scratch' };
  const checkpoint = await findCheckpoint(store, resumeFrom);
  await checkShapes(store, checkpoint, config);
  const { step, uri } = checkpoint;
  if (step >= config.train.steps)
    throw new BadInput(
      `${uri}: has ${step} steps, but train.steps of ${config.name} is ${config.train.steps}`,
    );
  return { from: 'checkpoint', uri, step };
}

/** The newest checkpoint of this workflow id, if it can be resumed. */
async function ownCheckpoint(
  store: Store,
  run: Omit<TrainRun, 'start'>,
  resume: TrainInput['resume'],
): Promise<Checkpoint | null> {
  const { prefix, config } = run;
  const newest = (await listCheckpoints(store, checkpointFolder(prefix))).at(-1);
  if (!newest) return null;
  const otherwise = 'Choose another workflow id, or set "recompute": true to train beside it';
  if (resume === 'never')
    throw new BadInput(
      `${newest.uri}: a checkpoint of an earlier run, and "resume" is "never". ${otherwise}`,
    );
  await checkShapes(store, newest, config);
  const others = differences(newest.recipe, recipeOf(run));
  if (others.length > 0)
    throw new BadInput(
      `${newest.uri}: cannot be resumed by another recipe: ${differencesText(others)} in ${config.name}. ${otherwise}`,
    );
  return newest;
}

/** @throws BadInput naming the first tensor of the checkpoint that is not as the config has it */
async function checkShapes(store: Store, checkpoint: Checkpoint, config: TrainableConfig): Promise<void> {
  const indexOf = async (which: 'head' | 'optimizer') =>
    (await stagedWeights(store, checkpointFile(checkpoint, which).uri)).index;
  matchState(await indexOf('head'), stateSpecs(config), config.name);
  matchState(await indexOf('optimizer'), optimizerSpecs(config), config.name);
}
