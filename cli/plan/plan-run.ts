import { neededPart } from '../../activities/deliver/needed-part.ts';
import { type Hub, openHub } from '../../activities/hub/hub.ts';
import { hubSettings } from '../../activities/hub/hub-client.ts';
import { hostStateText } from '../../activities/plan/choose-state.ts';
import { imageCosts } from '../../activities/plan/image-costs.ts';
import { type PlanContext, planEval } from '../../activities/plan/plan-eval.ts';
import { planTrain } from '../../activities/plan/plan-train.ts';
import { stagedSplit } from '../../activities/plan/staged.ts';
import { budgetSeconds, budgetText } from '../../core/budget.ts';
import type { Config } from '../../core/config/config.ts';
import type { EvalRun } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import { type DatasetManifest, WeightsManifestSchema } from '../../core/config/manifests.ts';
import { isVit, type VitConfig, type VitModel } from '../../core/config/model-kinds.ts';
import type { TrainableConfig, TrainRun } from '../../core/config/train-run.ts';
import { isHubUri } from '../../core/hub/hub-uri.ts';
import { evaluationMemory } from '../../core/model/device-memory.ts';
import { modelFlops } from '../../core/model/flops.ts';
import { evaluatedModel } from '../../core/model/head.ts';
import { type CalibrationEntry, rateOf } from '../../core/plan/calibration.ts';
import { forecast, type Work } from '../../core/plan/forecast.ts';
import { forecastTraining } from '../../core/plan/forecast-training.ts';
import type { Estimate, PlanReport } from '../../core/plan/report.ts';
import { readManifest } from '../../core/read-manifest.ts';
import { cutShards } from '../../core/shard/cut-shards.ts';
import type { Store } from '../../core/store.ts';
import { trainedText } from '../../core/train/trainable.ts';
import { trainerBytes } from '../../core/train/training-memory.ts';
import type { PlanOptions } from '../commands/plan.ts';
import { checkpointsOf } from '../inputs/checkpoint-options.ts';
import { type ChosenConfig, chosenConfig } from '../inputs/chosen-config.ts';
import { openStore } from '../session.ts';
import { calibrationEntries } from './calibrate.ts';
import { planText } from './plan-text.ts';

/** No run has it: a plan is of a new one. */
const WORKFLOW = { workflowId: 'tessera-plan', runId: crypto.randomUUID(), taskQueue: 'tessera' };

/** `tessera plan`: the plan of a run as a control worker makes it, with what it takes and costs. */
export async function planRun(named: string, options: PlanOptions): Promise<void> {
  const chosen = await chosenConfig(named, options.cfgOptions ?? []);
  const { store } = await openStore();
  const entries = await calibrationEntries(store, options);
  const report = await planReport(store, chosen, options, entries);
  console.log(options.json ? JSON.stringify(report, null, 2) : planText(report));
}

async function planReport(
  store: Store,
  { config, overrides, resolved: named }: ChosenConfig,
  options: PlanOptions,
  entries: CalibrationEntry[],
): Promise<PlanReport> {
  const { dataset, split, allowOverlap = false } = options;
  const found = checkpointsOf(named, options);
  const { weights } = found;
  // A training makes its head.
  const head = options.train ? options.head : found.head;
  // Nothing is written by a plan, so the right to write is not asked for.
  const reading = { ...store, checkWrites: async () => {} };
  const hub = openHub(hubSettings(process.env));
  const context: PlanContext = {
    store: reading,
    hub,
    launcher: 'local',
    codeVersion: 'plan',
    imageDigest: null,
  };
  const common = { config, overrides, dataset, output: dataset, recompute: true };
  if (options.train && head)
    throw new BadInput('--head: a training makes the head; leave it out, or leave out --train');
  const plan = options.train
    ? await planTrain(
        context,
        { ...common, weights: weights!, evaluationSplit: split, allowOverlap },
        WORKFLOW,
      )
    : await planEval(context, { ...common, ...found, split }, WORKFLOW);
  if (plan.kind === 'finished') throw new BadInput(`${dataset}: holds results of a run of its own`);
  const { config: resolved, fleet } = plan.run;
  const { manifest, object } = await stagedSplit(store, dataset, split);
  const costs = imageCosts(manifest, resolved, object.uri);
  const ranges = cutShards(costs, resolved.run.shards);
  const work: Work = {
    workers: fleet.workers,
    shards: ranges.map(({ first, count }) => sum(costs.slice(first, first + count))),
    weightBytes: await modelBytes({ store, hub }, plan.run, [weights, head]),
    imageBytes: sum(
      manifest.images.map(({ image, annotation }) => image.sizeBytes + (annotation?.sizeBytes ?? 0)),
    ),
    megapixels: sum(manifest.images.map(({ width, height }) => width * height)) / 1e6,
  };
  const trained = 'start' in plan.run ? plan.run : null;
  const estimate = estimateOf(resolved, trained?.config ?? null, work, entries, options.gpu);
  const { device, precision, batch } = resolved.run;
  return {
    version: 1,
    kind: trained ? 'training' : 'evaluation',
    config: resolved.name,
    device,
    precision,
    workers: fleet.workers,
    batch,
    images: manifest.images.length,
    crops: sum(costs),
    shards: ranges.length,
    ...(trained ? { training: trainingOf(trained.config, trained.dataset.images) } : {}),
    bytes: { weights: work.weightBytes, images: work.imageBytes },
    deviceMemory: device === 'cuda' && isVit(resolved) ? memoryOf(resolved, trained?.config ?? null) : null,
    estimate,
    notes: [
      ...(trained?.config.run.state === 'host' ? [hostStateText(trained.config)] : []),
      ...notesOf(resolved, { fleet: fleet.workers, estimate, manifest }),
    ],
  };
}

function estimateOf(
  config: Config,
  trained: TrainableConfig | null,
  work: Work,
  entries: CalibrationEntry[],
  deviceName: string | undefined,
): Estimate | null {
  const { device, precision, pricePerWorkerHour, currency } = config.run;
  if (!isVit(config)) return null;
  const gflopPerCrop = modelFlops(config.model) / 1e9;
  const rate = rateOf(entries, { config: config.name, device, precision, deviceName, gflopPerCrop });
  if (!rate) return null;
  const { entry, cropsPerSecond, isOwn } = rate;
  const expected = trained ? forecastTraining(trained, work, rate) : forecast(work, rate);
  const workerHours = (expected.seconds * work.workers) / 3600;
  return {
    ...expected,
    workerHours,
    price: pricePerWorkerHour > 0 ? { total: workerHours * pricePerWorkerHour, currency } : null,
    calibration: {
      cropsPerSecond,
      deviceName: entry.deviceName,
      source: entry.source,
      basis: entry.measured ? (isOwn ? 'measured' : 'scaled') : 'assumed',
    },
  };
}

/** What a worker fetches of a model. */
async function modelBytes(
  stores: { store: Store; hub: Hub },
  run: TrainRun | EvalRun,
  checkpoints: (string | undefined)[],
): Promise<number> {
  if (!isVit(run.config))
    return sum('ownModel' in run ? run.ownModel!.files.map(({ sizeBytes }) => sizeBytes) : []);
  const model = evaluatedModel(run.config.model);
  const uris = checkpoints.filter((uri) => uri !== undefined);
  return sum(await Promise.all(uris.map((uri) => neededBytes(stores, uri, model))));
}

/** Of a checkpoint, as a worker fetches it. */
async function neededBytes(
  { store, hub }: { store: Store; hub: Hub },
  uri: string,
  model: VitModel,
): Promise<number> {
  if (isHubUri(uri)) {
    const { object, index } = await hub.open(uri);
    const part = neededPart({ file: object, tensors: [...index.tensors.values()] }, model, 'where known');
    return part ? sum(part.ranges.map(({ length }) => length)) : object.sizeBytes;
  }
  const { manifest } = await readManifest(
    store,
    `${uri}.manifest.json`,
    WeightsManifestSchema,
    'Stage it again',
  );
  const part = neededPart(manifest, model);
  return part ? sum(part.ranges.map(({ length }) => length)) : manifest.file.sizeBytes;
}

function memoryOf(config: VitConfig, trained: TrainableConfig | null): PlanReport['deviceMemory'] {
  const evaluation = evaluationMemory(config);
  const bytes = trained ? Math.max(trainerBytes(trained), evaluation) : evaluation;
  return { bytes, ofGb: config.run.deviceMemoryGb ?? null };
}

function trainingOf(config: TrainableConfig, images: number): PlanReport['training'] {
  const { steps, batch, evaluateEvery } = config.train;
  return {
    steps,
    batch,
    images,
    trained: trainedText(config),
    evaluations: Math.ceil(steps / evaluateEvery),
  };
}

function notesOf(
  config: Config,
  { fleet, estimate, manifest }: { fleet: number; estimate: Estimate | null; manifest: DatasetManifest },
): string[] {
  const { run } = config;
  const budget = budgetSeconds(run);
  const wanted = `${run.device} in ${run.precision}`;
  return [
    fleet < run.workers &&
      `run.workers is ${run.workers}, but there are ${fleet} shards: so many workers come`,
    !isVit(config) &&
      'the operations and the memory of an ONNX model are not known, so there is no time: run it on few images first',
    !estimate &&
      isVit(config) &&
      `no calibration is of ${wanted} and of a model of this size, so there is no time: run this once on few images, then ` +
        '--calibrate s3://…/results.json (with --calibration FILE to keep it)',
    estimate?.calibration.basis === 'scaled' &&
      'the time is scaled from another config by its operations: --calibrate s3://…/results.json of a run of this one is better',
    estimate?.calibration.basis === 'assumed' &&
      'the time follows from assumptions, not from a measurement: --calibrate s3://…/results.json takes an earlier run’s',
    estimate && !estimate.price && 'no price: --cfg-options run.pricePerWorkerHour=3.50 run.currency=USD',
    estimate &&
      budget !== null &&
      estimate.workerHours * 3600 > budget &&
      `${budgetText(run)} will not last: an evaluation ends with a partial result, a training with a checkpoint`,
    run.device === 'cuda' &&
      run.deviceMemoryGb === undefined &&
      isVit(config) &&
      'run.deviceMemoryGb is not set: whether the batch fits is checked by each worker only',
    !manifest.images.every(({ annotation }) => annotation) &&
      'some images have no annotation: there will be no mIoU',
  ].filter((note) => typeof note === 'string');
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
