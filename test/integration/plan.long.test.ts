import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type PlanReport, PlanReportSchema } from '../../core/plan/report.ts';
import { command } from './command.ts';
import { ROOT, startTessera, type Tessera } from './tessera.ts';

/* What a plan says beside what a run does. */
let tessera: Tessera;
let folder: string;
beforeAll(async () => {
  tessera = await startTessera({ images: 6 });
  folder = join(tessera.state, 'user');
  mkdirSync(folder);
});
afterAll(() => tessera[Symbol.asyncDispose]());

const inputs = () => {
  const { weights, head, dataset } = tessera.input();
  return ['--weights', weights, '--head', head!, '--dataset', dataset];
};

describe('tessera plan', () => {
  const plan = async (...words: string[]): Promise<PlanReport> => {
    const { code, stdout, stderr } = await command(folder, 'plan', 'tiny', ...inputs(), '--json', ...words);
    expect({ code, stderr: stderr.replace(/\(node:[\s\S]*/, '') }).toEqual({ code: 0, stderr: '' });
    return PlanReportSchema.parse(JSON.parse(stdout));
  };

  it('tells what a run then does, and is calibrated by it', async () => {
    const overrides = ['run.shards=3', 'run.pricePerWorkerHour=36'];
    await tessera.run('planned', tessera.input({ overrides }));
    const results = await tessera.results('planned');
    const report = await plan(
      ...['--cfg-options', ...overrides, '--calibrate', `${ROOT}/runs/planned/results.json`],
      ...['--calibration', 'mine.yaml'],
    );
    expect(report).toMatchObject({
      kind: 'evaluation',
      images: results.coverage.images,
      shards: results.shards.length,
      workers: results.environment.workers,
      deviceMemory: null,
      estimate: { calibration: { basis: 'measured', deviceName: results.environment.deviceName } },
    });
    const { calibration, price, workerHours, seconds } = report.estimate!;
    expect(calibration.cropsPerSecond).toBeCloseTo(report.crops / results.timeBudget.worker.compute, 6);
    expect(price).toEqual({ total: workerHours * 36, currency: 'USD' });
    // Of the same order as it was: this machine has other work as well.
    expect(seconds).toBeGreaterThan(results.run.seconds / 10);
    expect(seconds).toBeLessThan(results.run.seconds * 10);
    // What was kept is used by itself.
    expect((await plan('--calibration', 'mine.yaml')).estimate!.calibration).toEqual(calibration);
  });

  it('says so where it knows no speed, and plans a training', async () => {
    const cuda = ['run.device=cuda', 'run.precision=float32', 'run.deviceMemoryGb=24'];
    const unknown = await plan('--cfg-options', ...cuda);
    expect(unknown.estimate).toBeNull();
    expect(unknown.notes.join()).toContain('no calibration is of cuda in float32');
    expect(unknown.deviceMemory!.bytes).toBeGreaterThan(1e9);
    expect((await plan()).estimate!.calibration.source).toContain('docs/benchmarks.md');
    const { weights, dataset } = tessera.input();
    const training = await command(
      folder,
      ...['plan', 'tiny', '--train', '--weights', weights, '--dataset', dataset, '--allow-overlap'],
      ...['--cfg-options', 'train.data.split=validation', 'train.steps=60', 'train.evaluateEvery=20'],
    );
    expect(training.stdout).toMatch(
      /training {4}60 steps of 8 crops, from 6 images\n {2}trains {6}.+\n {2}evaluations {1}3, each/,
    );
    expect(training.stdout).toMatch(/\nOf [\d.]+ m?s?i?n?, .* bound it/);
  });

  it('refuses what a run would refuse, and a calibration that is not there', async () => {
    const refusal = async (...words: string[]) => (await command(folder, 'plan', ...words)).stderr;
    expect(await refusal('tiny', ...inputs(), '--split', 'none')).toContain(
      'Stage it first: tessera stage dataset',
    );
    expect(await refusal('tiny', ...inputs(), '--calibration', 'no.yaml')).toContain(
      'no.yaml: no such file. Make it of an earlier run: --calibrate',
    );
    writeFileSync(
      join(folder, 'bad.yaml'),
      stringify({ version: 1, entries: [{ device: 'cpu', cropPerSecond: 1 }] }),
    );
    expect(await refusal('tiny', ...inputs(), '--calibration', 'bad.yaml')).toContain(
      'bad.yaml: unknown key entries.0.cropPerSecond',
    );
  });
});
