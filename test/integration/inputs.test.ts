import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadClasses } from '../../activities/plan/load-config.ts';
import { readResults } from '../../core/read-results.ts';
import { readTrainResults } from '../../core/read-train-results.ts';
import { command } from './command.ts';
import { startTessera, type Tessera } from './tessera.ts';

/* What a user hands in beside names: a config, classes and labels of their own. */
let tessera: Tessera;
let folder: string;
beforeAll(async () => {
  tessera = await startTessera({ images: 6 });
  // No control worker looks here: paths are relative to the user's own folder.
  folder = join(tessera.state, 'user');
  mkdirSync(folder);
});
afterAll(() => tessera[Symbol.asyncDispose]());

const inputs = () => {
  const { weights, head, dataset } = tessera.input();
  return ['--weights', weights, '--head', head!, '--dataset', dataset];
};

describe('a config file of the user’s', () => {
  it('is read where the user is, with its classes, and names the run', async () => {
    const { classes } = await loadClasses('ade20k');
    const mine = classes.map(({ color }, i) => ({ name: `class ${i}`, color }));
    mkdirSync(join(folder, 'sets'));
    writeFileSync(join(folder, 'sets/mine.yaml'), stringify({ name: 'Mine', classes: mine }));
    writeFileSync(
      join(folder, 'my.yaml'),
      stringify({ base: 'tiny', dataset: { classes: 'sets/mine.yaml' }, run: { shards: 3 } }),
    );
    const run = await command(
      folder,
      ...[
        'run',
        'my.yaml',
        ...inputs(),
        '--cfg-options',
        'run.overlays=2',
        '--label',
        'team=x',
        '--label',
        'n=1',
      ],
    );
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('class 3') });
    const [, id] = /\/runs\/(my-\d{8}-\d{6})\/results\.json/.exec(run.stdout)!;
    const results = await tessera.results(id!);
    expect(results.run).toMatchObject({
      labels: { team: 'x', n: '1' },
      config: { name: 'my', run: { shards: 3, overlays: 2 }, dataset: { classes: { name: 'Mine' } } },
    });
    expect(results.perClass[3]!.name).toBe('class 3');
    expect(results.artifacts.overlays).toHaveLength(2);
    const { mIoU } = await tessera.run('by-name', tessera.input());
    expect(results.metrics.mIoU).toBe(mIoU);
  });

  it('is refused before a workflow exists, as are names, keys, values, labels and ids', async () => {
    writeFileSync(join(folder, 'wrong.yaml'), stringify({ base: 'tiny', run: { batch: 'many' } }));
    const refusal = async (...words: string[]) => {
      const { code, stdout, stderr } = await command(folder, 'run', ...words, '--workflow-id', 'never');
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      return stderr;
    };
    expect(await refusal('wrong.yaml', ...inputs())).toBe(
      '✗ wrong.yaml: run.batch: Invalid input: expected number, received string\n',
    );
    expect(await refusal('tiyn', ...inputs())).toContain('did you mean tiny?');
    expect(await refusal('tiny', ...inputs(), '--cfg-options', 'run.bacth=2')).toContain(
      'did you mean run.batch?',
    );
    expect(await refusal('tiny', ...inputs(), '--label', 'team=a b')).toContain(
      'EvalMIoU input: labels.team: expected',
    );
    const slash = await command(folder, 'run', 'tiny', ...inputs(), '--workflow-id', 'a/b');
    expect(slash.stderr).toContain('workflow id "a/b": names the folder');
    await expect(tessera.session.client.workflow.getHandle('never').describe()).rejects.toThrow();
  });

  it('is refused with the same words where a workflow has it inline', async () => {
    const config = { ...(await tessera.results('by-name')).run.config };
    const wrong = { ...config, run: { ...config.run, batch: 'many' } } as never;
    await expect(tessera.run('inline', tessera.input({ config: wrong }))).rejects.toMatchObject({
      cause: {
        type: 'BadInput',
        message: 'EvalMIoU input: config.run.batch: Invalid input: expected number, received string',
      },
    });
  });
});

it('labels and a price of a training are in its results, and labels in those of its evaluations', async () => {
  const { weights, dataset } = tessera.input();
  const run = await command(
    folder,
    ...['train', 'tiny', '--weights', weights, '--dataset', dataset, '--allow-overlap', '--label', 'team=x'],
    ...['--workflow-id', 'trained', '--cfg-options', 'train.data.split=validation', 'train.steps=2'],
    'train.schedule.warmup.steps=1',
    'train.checkpointEvery=2',
    'train.evaluateEvery=2',
    'run.shards=1',
    'run.workers=1',
    'run.pricePerWorkerHour=36',
  );
  expect(run.code).toBe(0);
  const { store } = tessera.session;
  const trained = await readTrainResults(store, 's3://tessera/runs/trained/results.json');
  expect(trained.run.labels).toEqual({ team: 'x' });
  expect(trained.cost.total).toBeCloseTo(trained.cost.workerSeconds / 100, 10);
  expect(trained.cost.total).toBeGreaterThan(0);
  const evaluation = await readResults(store, trained.best.resultsUri);
  expect(evaluation.run.labels).toEqual({ team: 'x' });
});
