import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { total } from '../../core/metric/confusion-matrix.ts';
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
  const ways = [
    { shards: 1, workers: 1, batch: 8 },
    { shards: 3, workers: 2, batch: 1 },
    { shards: 7, workers: 2, batch: 8 },
    { shards: 7, workers: 1, batch: 1 },
  ];

  it('gives the same matrix and the same digest for any number of shards, workers and crops a batch', async () => {
    const seen = [];
    for (const { shards, workers, batch } of ways) {
      const id = `exact-${shards}-${workers}-${batch}`;
      const overrides = [`run.shards=${shards}`, `run.workers=${workers}`, `run.batch=${batch}`];
      await tessera.run(id, tessera.input({ overrides }));
      const results = await tessera.results(id);
      expect(results.shards).toHaveLength(shards);
      expect(results.environment.workers).toBe(Math.min(workers, shards));
      seen.push({ matrix: results.confusionMatrix.sha256, predictions: results.coverage.predictionsSha256 });
    }
    expect(new Set(seen.map(({ matrix }) => matrix)).size).toBe(1);
    expect(new Set(seen.map(({ predictions }) => predictions)).size).toBe(1);
  });

  it('publishes results whose parts agree with each other', async () => {
    const { store } = tessera.session;
    const result = await tessera.run('published', tessera.input());
    const results = await tessera.results('published');
    const bytes = await store.read(results.confusionMatrix.uri);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(results.confusionMatrix.sha256);
    const matrix = matrixFromBytes(bytes);
    expect(total(matrix)).toBe(results.coverage.labelledPixels);
    expect(matrixMetrics(matrix).mIoU).toBeCloseTo(results.metrics.mIoU!, 12);
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
    const end = await handle.query('progress');
    expect(end).toMatchObject({ phase: 'done', imagesDone: IMAGES, etaSeconds: 0 });
  });

  it("publishes what mmseg's options ask for: more metrics, painted images, label maps, averaged views", async () => {
    const overrides = [
      ...['run.metrics=["mDice","mFscore"]', 'run.show={"opacity":0.5}', 'run.predictions=submission'],
      'pipeline.augmentation={"ratios":[1,1.25],"flip":true}',
    ];
    await tessera.run('options', tessera.input({ overrides }));
    const { metrics, perClass, artifacts } = await tessera.results('options');
    expect(metrics.mDice).toBeGreaterThan(metrics.mIoU!);
    expect(perClass[2]).toHaveProperty('Fscore');
    const { store } = tessera.session;
    expect(await store.list(artifacts.show!)).toHaveLength(IMAGES);
    const labelMaps = await store.list(artifacts.predictions!);
    expect(labelMaps).toHaveLength(IMAGES);
    const png = decode(await store.read(labelMaps[0]!.uri));
    expect(Math.min(...png.data)).toBeGreaterThanOrEqual(1);
    expect(artifacts.mmsegEval).toContain('eval_multi_scale_');
  });

  it('gives the published result again for the same id and inputs, without evaluating', async () => {
    const input = tessera.input({ overrides: ['run.shards=2'] });
    const first = await tessera.run('again', input);
    const { run } = await tessera.results('again');
    const second = await tessera.run('again', input);
    expect(second).toEqual(first);
    expect((await tessera.results('again')).run.runId).toBe(run.runId);
  });

  it('refuses to publish other inputs under the same id, unless told to recompute beside them', async () => {
    await tessera.run('other', tessera.input({ overrides: ['run.shards=2'] }));
    const changed = tessera.input({ overrides: ['run.shards=3'] });
    await expect(tessera.run('other', changed)).rejects.toThrow(WorkflowFailedError);
    const recomputed = await tessera.run('other', { ...changed, recompute: true });
    expect(recomputed.resultsUri).toMatch(/runs\/other\/[0-9a-f-]{36}\/results.json$/);
  });

  it('ends within seconds when cancelled, leaves no worker and publishes nothing', async () => {
    const handle = await tessera.start(
      'cancelled',
      tessera.input({ overrides: ['run.shards=12', 'run.batch=1'] }),
    );
    await until(handle, ({ shards }) => shards.done > 0);
    const cancelled = Date.now();
    await handle.cancel();
    const failure = await handle.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(Date.now() - cancelled).toBeLessThan(8_000);
    await sleep(200);
    expect(tessera.pids('workers/gpu.ts')).toEqual([]);
    const written = await tessera.session.store.list(`${ROOT}/runs/cancelled/`);
    expect(written).toEqual([]);
  });

  it('fails when its deadline passes, and says so', async () => {
    const input = tessera.input({ overrides: ['run.shards=12', 'run.batch=1'], deadlineMinutes: 0.03 });
    const failure = (await tessera
      .run('late', input)
      .catch((error: unknown) => error)) as WorkflowFailedError;
    expect(failure.cause?.message).toContain('deadline');
    expect(tessera.pids('workers/gpu.ts')).toEqual([]);
  });
});
