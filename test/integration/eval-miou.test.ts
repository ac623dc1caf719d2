import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryProgress } from '../../core/config/run-messages.ts';
import { readImageMatrices } from '../../core/image-matrices-objects.ts';
import { total } from '../../core/metric/confusion-matrix.ts';
import { sumOfImages } from '../../core/metric/image-matrices.ts';
import { matrixFromBytes } from '../../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../../core/metric/metrics.ts';
import { ROOT, startTessera, type Tessera, until } from './tessera.ts';

const IMAGES = 24;
let tessera: Tessera;
beforeAll(async () => {
  tessera = await startTessera({ images: IMAGES });
});
afterAll(() => tessera[Symbol.asyncDispose]());

describe('EvalMIoU on real servers with local workers', () => {
  it('publishes results whose parts agree with each other', async () => {
    const { store } = tessera.session;
    const result = await tessera.run('published', tessera.input());
    const results = await tessera.results('published');
    const bytes = await store.read(results.confusionMatrix.uri);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(results.confusionMatrix.sha256);
    const matrix = matrixFromBytes(bytes);
    expect(total(matrix)).toBe(results.coverage.labelledPixels);
    expect(matrixMetrics(matrix).mIoU).toBeCloseTo(results.metrics.mIoU!, 12);
    const perImage = await readImageMatrices((uri) => store.read(uri), results.artifacts.perImage!);
    expect(sumOfImages(perImage)).toEqual(matrix);
    expect(perImage.ids).toEqual([...perImage.ids].sort());
    expect(perImage.ids).toHaveLength(IMAGES);
    expect(await store.list(`${ROOT}/runs/published/shards/`)).toEqual([]);
    expect(result).toMatchObject({
      ...results.metrics,
      images: IMAGES,
      resultsUri: `${ROOT}/runs/published/results.json`,
    });
    expect(results.coverage.images).toBe(IMAGES);
    expect(results.inputs.dataset.versionId).toBeTruthy();

    const report = (await store.read(results.artifacts.report)).toString();
    expect(report).toContain((results.metrics.mIoU! * 100).toFixed(2));
    expect(report.match(/data:image\/webp/g)).toHaveLength(6);
    const schema = JSON.parse((await store.read(results.artifacts.schema)).toString());
    expect(schema.properties.metrics.properties).toHaveProperty('mIoU');
    const mmseg = JSON.parse((await store.read(results.artifacts.mmsegEval)).toString());
    expect(mmseg.metric.mIoU).toBeCloseTo(results.metrics.mIoU!, 4);
    const { wall, worker } = results.timeBudget;
    expect(wall.plan + wall.launch + wall.evaluate + wall.publish).toBeLessThanOrEqual(
      results.run.seconds + 0.5,
    );
    expect(worker.compute).toBeGreaterThan(0);
  });

  it('answers progress while it runs', async () => {
    const handle = await tessera.start(
      'progress',
      tessera.input({ overrides: ['run.shards=12', 'run.batch=1'] }),
    );
    const midway = await until(handle, ({ shards }) => shards.done > 0 && shards.done < shards.total);
    expect(midway).toMatchObject({ phase: 'evaluating', imagesTotal: IMAGES });
    expect(midway.partial.coverage).toBeCloseTo(midway.imagesDone / IMAGES, 10);
    expect(midway.partial.mIoU).toBeGreaterThan(0);
    expect(midway.imagesPerSecond).toBeGreaterThan(0);
    expect(midway.etaSeconds).toBeGreaterThan(0);
    expect(Object.values(midway.workers).filter(({ state }) => state === 'running')).toHaveLength(2);
    await handle.result();
    const end = await queryProgress(handle, 'EvalMIoU');
    expect(end).toMatchObject({ phase: 'done', imagesDone: IMAGES, etaSeconds: 0 });
  });

  it('ends in mid-run when cancelled, leaves no worker and publishes nothing', async () => {
    const handle = await tessera.start(
      'cancelled',
      tessera.input({ overrides: ['run.shards=12', 'run.batch=1'] }),
    );
    await until(handle, ({ shards }) => shards.done > 0);
    await handle.cancel();
    const failure = await handle.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    const { shards } = await queryProgress(handle, 'EvalMIoU');
    expect(shards.done).toBeLessThan(shards.total);
    await sleep(200);
    expect(tessera.pids('workers/gpu')).toEqual([]);
    const written = await tessera.session.store.list(`${ROOT}/runs/cancelled/`);
    expect(written).toEqual([]);
  });
});
