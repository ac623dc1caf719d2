import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { DatasetClasses } from '../../core/config/config.ts';
import type { EvalResult } from '../../core/config/eval.ts';
import { BadData, NotFound } from '../../core/config/failures.ts';
import { type Results, ResultsSchema } from '../../core/config/results.ts';
import { readShardMatrices, shardFolder } from '../../core/image-matrices-objects.ts';
import { type ConfusionMatrix, cellName, total } from '../../core/metric/confusion-matrix.ts';
import { joinMatrices, sumOfImages } from '../../core/metric/image-matrices.ts';
import { encodeImageMatrices } from '../../core/metric/image-matrices-codec.ts';
import { decodeMatrix, matrixToBytes } from '../../core/metric/matrix-codec.ts';
import { extraMetrics, matrixMetrics } from '../../core/metric/metrics.ts';
import { readResults } from '../../core/read-results.ts';
import { joinUri, type Store, unlessAbsent } from '../../core/store.ts';
import { evaluationEvents, eventFileUri } from '../../core/tensorboard/event-files.ts';
import { checkOutput } from './check-output.ts';
import { mmsegEval, mmsegEvalFileName } from './mmseg-eval.ts';
import { publishOnce } from './publish-once.ts';
import { renderReport } from './report/render-report.tsx';
import { resultsJsonSchema } from './results-schema.ts';

/** Everything that the results say and that doesn't follow from the matrix: small values, fit for Temporal's history. */
export interface PublishInput
  extends Pick<Results, 'inputs' | 'coverage' | 'environment' | 'cost' | 'shards' | 'workers'> {
  /** Folder of the results, `s3://bucket/prefix`. */
  outputPrefix: string;
  /** Of a run that has spent its budget; its metrics follow from the matrix. */
  partial?: Omit<NonNullable<Results['partial']>, 'metrics'>;
  /** The sum of all shards' matrices, as `encodeMatrix` writes it. */
  matrix: string;
  /** SHA-256 of each shard's per-image matrices, in the order of `shards`; absent if an earlier version's worker kept none. */
  imageMatrices?: string[];
  classes: DatasetClasses;
  /** Ids of the images whose overlays the workers wrote to `overlays/<id>.webp`. */
  overlays: string[];
  /** Commands that run the same evaluation again, for the report. */
  reproduce: string[];
  /** The run ends here, so when it ended is found here. */
  run: Omit<Results['run'], 'finishedAt' | 'seconds'>;
  timeBudget: Omit<TimeBudget, 'wall'> & { wall: Omit<TimeBudget['wall'], 'publish'> };
}

type TimeBudget = Results['timeBudget'];

const READS_AT_ONCE = 16;

export interface Published {
  metrics: Results['metrics'];
  partial?: EvalResult['partial'];
  resultsUri: string;
  reportUri: string;
  /** `exists`: the results of an earlier attempt are there, were left as they are, and give these metrics. */
  status: 'written' | 'exists';
}

export interface PublishActivities {
  /**
   * Writes a run's results: the matrix, that of each image, the JSON Schema, mmseg's own file, the report, and last of
   * all results.json, which so is there only if everything else is. An attempt that died half-way
   * is simply repeated: same input and moment, same bytes.
   *
   * @throws BadData if matrix, classes, coverage or the results' own schema contradict each other
   */
  publishResults(input: PublishInput): Promise<Published>;
}

/**
 * The activities of this folder over one store.
 *
 * @param now the clock, ms since the epoch
 */
export function createPublish(store: Store, now: () => number = Date.now): PublishActivities {
  return { publishResults: (input) => publishResults(store, now, input) };
}

async function publishResults(store: Store, now: () => number, input: PublishInput): Promise<Published> {
  const uri = joinUri(input.outputPrefix, 'results.json');
  const publication = { uri, read: readResults, make: () => writeFiles(store, now, input) };
  const { value, status } = await publishOnce(store, publication).catch(async (error: unknown) => {
    // Another attempt may have published meanwhile, and removed what this one was reading.
    const published = error instanceof NotFound ? await unlessAbsent(readResults(store, uri)) : null;
    if (published === null) throw error;
    return { value: published, status: 'exists' as const };
  });
  await removeShards(store, input);
  return {
    metrics: value.metrics,
    resultsUri: uri,
    reportUri: value.artifacts.report,
    status,
    ...(value.partial ? { partial: partialOf(value.partial) } : {}),
  };
}

/** What a workflow returns of it. */
function partialOf({ images, ofImages, metrics, reason }: NonNullable<Results['partial']>) {
  return { images, ofImages, metrics, reason };
}

/** What shards left to be published, lost attempts of them included. No published run fails by what can't be removed. */
async function removeShards(store: Store, { outputPrefix }: PublishInput): Promise<void> {
  const folder = `${shardFolder(outputPrefix)}/`;
  try {
    for (const { uri } of await store.list(folder)) await store.remove(uri);
  } catch (error) {
    console.error(`${folder} could not be removed: ${error instanceof Error ? error.message : error}`);
  }
}

/** All that lies beside results.json, which says what they are. */
async function writeFiles(store: Store, now: () => number, input: PublishInput): Promise<Results> {
  const matrix = checkedMatrix(input);
  const overlays = await readOverlays(store, input);
  const perImage = await joinShards(store, input, matrix);
  const bytes = matrixToBytes(matrix);
  const finished = finishRun(input, now());
  const results = assembleResults({ ...input, ...finished }, matrix, { bytes, perImage, overlays });
  const { artifacts, run } = results;
  const report = renderReport({ ...input, results, matrix, overlays });
  await store.write(artifacts.confusionMatrix, bytes, { contentType: 'application/octet-stream' });
  if (artifacts.perImage && perImage)
    await store.write(artifacts.perImage.uri, perImage, { contentType: 'application/gzip' });
  await store.write(artifacts.schema, Buffer.from(resultsJsonSchema()), {
    contentType: 'application/schema+json',
  });
  const mmseg = `${JSON.stringify(mmsegEval(results.run.config.name, results), null, 4)}\n`;
  await store.write(artifacts.mmsegEval, Buffer.from(mmseg), { contentType: 'application/json' });
  if (run.config.run.report?.tensorboard)
    await store.write(eventFileUri(input.outputPrefix), evaluationEvents(results));
  await store.write(artifacts.report, Buffer.from(report), { contentType: 'text/html; charset=utf-8' });
  return results;
}

/** Ends the clock: what isn't planning, launching or evaluating was publishing, but for the writes to come. */
function finishRun({ run, timeBudget }: PublishInput, nowMs: number): Pick<Results, 'run' | 'timeBudget'> {
  const { plan, launch, evaluate } = timeBudget.wall;
  const before = plan + launch + evaluate;
  const startedMs = Date.parse(run.startedAt);
  // The workflow's clock is another machine's, and may be ahead.
  const seconds = Math.max(before, (nowMs - startedMs) / 1000);
  return {
    run: { ...run, finishedAt: new Date(startedMs + 1000 * seconds).toISOString(), seconds },
    timeBudget: { ...timeBudget, wall: { ...timeBudget.wall, publish: seconds - before } },
  };
}

function assembleResults(
  input: Omit<PublishInput, 'run' | 'timeBudget'> & Pick<Results, 'run' | 'timeBudget'>,
  matrix: ConfusionMatrix,
  {
    bytes,
    perImage,
    overlays,
  }: { bytes: Uint8Array; perImage: Uint8Array | null; overlays: { id: string }[] },
): Results {
  const { partial, run, inputs, coverage, environment, timeBudget, cost, shards, workers } = input;
  const { perClass, ...metrics } = matrixMetrics(matrix);
  const extra = extraMetrics(matrix, run.config.run.metrics);
  const measured = { ...metrics, ...extra.means };
  const at = (name: string) => joinUri(input.outputPrefix, name);
  const objectOf = (name: string, body: Uint8Array) => ({
    uri: at(name),
    sha256: createHash('sha256').update(body).digest('hex'),
    sizeBytes: body.length,
  });
  const results: Results = {
    version: 1,
    run,
    inputs,
    // What is of some images only is never where the exact value would be.
    metrics: partial ? withoutValues(measured) : measured,
    ...(partial ? { partial: { ...partial, metrics: measured } } : {}),
    perClass: perClass.map((row) => ({
      ...row,
      ...extra.perClass[row.class],
      name: input.classes.classes[row.class]!.name,
    })),
    confusionMatrix: {
      ...objectOf('confusion_matrix.bin', bytes),
      shape: [matrix.classes, matrix.classes],
      dtype: 'int64',
    },
    coverage,
    environment,
    timeBudget,
    cost,
    shards,
    workers,
    artifacts: {
      report: at('report.html'),
      schema: at('results.schema.json'),
      mmsegEval: at(
        `${partial ? 'partial_' : ''}${mmsegEvalFileName(run.startedAt, run.config.pipeline.augmentation ? 'multi' : 'single')}`,
      ),
      confusionMatrix: at('confusion_matrix.bin'),
      ...(perImage ? { perImage: objectOf('per_image.bin.gz', perImage) } : {}),
      overlays: overlays.map(({ id }) => ({ id, uri: overlayUri(input, id) })),
      ...(run.config.run.show ? { show: at('show/') } : {}),
      // Processes of one machine keep their own.
      ...(environment.launcher === 'kubernetes' ? { logs: at('logs/') } : {}),
      ...(run.config.run.predictions === 'none' ? {} : { predictions: at('predictions/') }),
    },
  };
  return checkOutput(ResultsSchema, results, 'results.json');
}

function withoutValues(metrics: Results['metrics']): Results['metrics'] {
  const none = Object.fromEntries(Object.keys(metrics).map((name) => [name, null]));
  return { ...none, aAcc: null, mIoU: null, mAcc: null };
}

function checkedMatrix({ matrix: text, classes, coverage }: PublishInput): ConfusionMatrix {
  const matrix = decodeMatrix(text);
  if (matrix.classes !== classes.classes.length) {
    throw new BadData(
      `confusion matrix has ${matrix.classes} classes, dataset ${classes.name} has ${classes.classes.length}`,
    );
  }
  const pixels = total(matrix);
  if (pixels !== coverage.labelledPixels) {
    throw new BadData(`confusion matrix has ${pixels} pixels, coverage proved ${coverage.labelledPixels}`);
  }
  return matrix;
}

/** The matrices of all images in the manifest's order. @throws BadData if they are not the parts of `matrix` */
async function joinShards(
  store: Store,
  { imageMatrices, outputPrefix: prefix, shards, coverage }: PublishInput,
  matrix: ConfusionMatrix,
): Promise<Uint8Array | null> {
  if (!imageMatrices) return null;
  const read = pLimit(READS_AT_ONCE);
  const parts = await Promise.all(
    imageMatrices.map((digest, i) =>
      read(() => readShardMatrices(store, { prefix, shard: shards[i]!.shard, digest })),
    ),
  );
  const joined = joinMatrices(matrix.classes, parts);
  const sum = sumOfImages(joined);
  const other = sum.counts.findIndex((count, i) => count !== matrix.counts[i]);
  if (other >= 0)
    throw new BadData(
      `per-image matrices: ${cellName(matrix, other)} is ${sum.counts[other]} in their sum, but ${matrix.counts[other]} in the confusion matrix`,
    );
  if (joined.ids.length !== coverage.images)
    throw new BadData(
      `per-image matrices: of ${joined.ids.length} images, coverage proved ${coverage.images}`,
    );
  return encodeImageMatrices(joined);
}

async function readOverlays(store: Store, input: PublishInput) {
  const found = await Promise.all(
    input.overlays.map(async (id) => {
      const body = await unlessAbsent(store.read(overlayUri(input, id)));
      if (!body) return null;
      const errors = await unlessAbsent(
        store.read(joinUri(input.outputPrefix, 'overlays', `${id}.errors.png`)),
      );
      return { id, dataUri: dataUri('image/webp', body), errors: errors && dataUri('image/png', errors) };
    }),
  );
  return found.filter((overlay) => overlay !== null);
}

function dataUri(type: string, body: Buffer): string {
  return `data:${type};base64,${body.toString('base64')}`;
}

function overlayUri({ outputPrefix }: { outputPrefix: string }, id: string): string {
  return joinUri(outputPrefix, 'overlays', `${id}.webp`);
}
