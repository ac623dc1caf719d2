import path from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { runToEnd } from '../../cli/run-workflow.ts';
import { ROOT, startTessera, type Tessera } from './tessera.ts';

const IMAGES = 24;
let tessera: Tessera;
beforeAll(async () => {
  tessera = await startTessera({ images: IMAGES });
});
afterAll(() => tessera[Symbol.asyncDispose]());

describe('EvalMIoU, whatever is asked of it,', () => {
  const ways = [
    { shards: 1, workers: 1, batch: 8 },
    { shards: 3, workers: 2, batch: 1 },
    { shards: 7, workers: 2, batch: 8 },
    { shards: 7, workers: 1, batch: 1 },
  ];

  it('gives the same matrices and the same digests for any number of shards, workers and crops a batch', async () => {
    const seen = [];
    for (const { shards, workers, batch } of ways) {
      const id = `exact-${shards}-${workers}-${batch}`;
      const overrides = [`run.shards=${shards}`, `run.workers=${workers}`, `run.batch=${batch}`];
      await tessera.run(id, tessera.input({ overrides }));
      const results = await tessera.results(id);
      expect(results.shards).toHaveLength(shards);
      expect(results.environment.workers).toBe(Math.min(workers, shards));
      seen.push({
        matrix: results.confusionMatrix.sha256,
        perImage: results.artifacts.perImage!.sha256,
        predictions: results.coverage.predictionsSha256,
      });
    }
    expect(new Set(seen.map(({ perImage }) => perImage)).size).toBe(1);
    expect(new Set(seen.map(({ matrix }) => matrix)).size).toBe(1);
    expect(new Set(seen.map(({ predictions }) => predictions)).size).toBe(1);
  });

  it("publishes what mmseg's options ask for: more metrics, painted images, label maps, averaged views", async () => {
    const overrides = [
      'run.metrics=["mDice","mFscore"]',
      'run.show={"opacity":0.5}',
      'run.predictions=submission',
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
    expect(second).toEqual({ ...first, cached: true });
    expect((await tessera.results('again')).run.runId).toBe(run.runId);
  });

  it('refuses to publish other inputs under the same id, unless told to recompute beside them', async () => {
    await tessera.run('other', tessera.input({ overrides: ['run.shards=2'] }));
    const changed = tessera.input({ overrides: ['run.shards=3'] });
    await expect(tessera.run('other', changed)).rejects.toThrow(WorkflowFailedError);
    const recomputed = await tessera.run('other', { ...changed, recompute: true });
    expect(recomputed.resultsUri).toMatch(/runs\/other\/[0-9a-f-]{36}\/results.json$/);
  });

  it('fails when its deadline passes, and says so', async () => {
    const input = tessera.input({ overrides: ['run.shards=12', 'run.batch=1'], deadlineMinutes: 0.03 });
    const failure = (await tessera
      .run('late', input)
      .catch((error: unknown) => error)) as WorkflowFailedError;
    expect(failure.cause?.message).toContain('deadline');
    expect(tessera.pids('workers/gpu')).toEqual([]);
  });

  it('predicts a split without annotations, as its server wants it', async () => {
    const { session, state } = tessera;
    const { dataset } = await loadConfig('tiny');
    const { imageDir, imageSuffix, annotationSuffix } = dataset;
    await runToEnd(session, 'StageDataset', 'unlabelled', {
      source: path.join(state, 'ade'),
      destination: `${ROOT}/datasets/unlabelled`,
      name: 'unlabelled',
      imageDir,
      imageSuffix,
      annotationSuffix,
    });
    const wanted = { dataset: `${ROOT}/datasets/unlabelled` };
    await expect(tessera.run('unlabelled-miou', tessera.input(wanted))).rejects.toMatchObject({
      cause: { type: 'BadInput', message: expect.stringContaining('no mIoU: ask for label maps') },
    });
    const overrides = ['run.predictions=submission'];
    const result = await tessera.run('unlabelled-maps', tessera.input({ ...wanted, overrides }));
    expect(result).toMatchObject({ mIoU: null, images: IMAGES });
    const { artifacts, coverage } = await tessera.results('unlabelled-maps');
    expect(coverage).toMatchObject({ images: IMAGES, labelledPixels: 0 });
    const labelled = await tessera.run('labelled-maps', tessera.input({ overrides }));
    expect(labelled.mIoU).toBeGreaterThan(0);
    // The same predictions as with annotations, byte for byte.
    const others = await tessera.results('labelled-maps');
    expect(coverage.predictionsSha256).toBe(others.coverage.predictionsSha256);
    const maps = await session.store.list(artifacts.predictions!);
    const bytes = await Promise.all(
      [artifacts, others.artifacts].map(({ predictions }) =>
        session.store.read(maps[0]!.uri.replace(artifacts.predictions!, predictions!)),
      ),
    );
    expect(bytes[0]).toEqual(bytes[1]);
  });
});
