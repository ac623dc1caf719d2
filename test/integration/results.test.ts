import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT_CODES, exitCode } from '../../cli/exit-codes.ts';
import { CopiedSchema, StartedSchema } from '../../core/config/command-output.ts';
import { ComparisonSchema } from '../../core/config/comparison.ts';
import { type Results, ResultsSchema } from '../../core/config/results.ts';
import { IndexSchema } from '../../core/config/run-index.ts';
import { makeFolder, temporaryFolder } from '../infra/observe.ts';
import { type Ended, tesseraCommand } from './command.ts';
import { damagedDataset, ROOT, startTessera, type Tessera, until } from './tessera.ts';

const IMAGES = 24;
let tessera: Tessera;
let good: Results;
beforeAll(async () => {
  tessera = await startTessera({ images: IMAGES });
  await tessera.run('good', tessera.input({ overrides: ['run.shards=2'] }));
  // Colours that the head was not fitted to.
  await tessera.run('worse', tessera.input({ overrides: ['run.shards=2', 'pipeline.mean=[60,60,60]'] }));
  good = await tessera.results('good');
  await publishChanged('old', ({ artifacts: { perImage, ...artifacts }, ...rest }) => ({
    ...rest,
    artifacts,
  }));
  await publishChanged('later', (results) => ({ ...results, version: 2 }));
  await publishChanged('elsewhere', ({ inputs, ...rest }) => ({
    ...rest,
    inputs: { ...inputs, dataset: { ...inputs.dataset, sha256: 'f'.repeat(64) } },
  }));
});
afterAll(() => tessera[Symbol.asyncDispose]());

/** Results of the good run as another version, or of other inputs, would have published them. */
async function publishChanged(name: string, change: (results: Results) => object) {
  const body = Buffer.from(JSON.stringify(change(good)));
  await tessera.session.store.write(`${ROOT}/runs/${name}/results.json`, body);
}

const refused = (message: RegExp | string) => ({
  code: 3,
  stdout: '',
  stderr: typeof message === 'string' ? `✗ ${message}\n` : expect.stringMatching(message),
});

describe('tessera results', () => {
  it('prints what was published, by id, address or folder, for people and for programs', async () => {
    const folder = makeFolder();
    writeFileSync(path.join(folder, 'results.json'), JSON.stringify(good));
    const away = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    const [text, json, csv, perClass, table, address, local] = (await Promise.all([
      tesseraCommand(['results', 'good']),
      tesseraCommand(['results', 'good', '--json']),
      tesseraCommand(['results', 'good', '--csv']),
      tesseraCommand(['results', 'good', '--csv', '--per-class']),
      tesseraCommand(['results', 'good', '--per-class']),
      tesseraCommand(['results', `${ROOT}/runs/good/`], { env: away }),
      tesseraCommand(['results', folder], { env: away }),
    ])) as [Ended, Ended, Ended, Ended, Ended, Ended, Ended];
    const mIoU = (100 * good.metrics.mIoU!).toFixed(2);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toContain(`mIoU ${mIoU}`);
    expect(text.stdout).toContain(`mini, validation, ${IMAGES} images`);
    expect(ResultsSchema.parse(JSON.parse(json.stdout))).toEqual(good);
    const [head, row] = csv.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    expect(Number(row![head!.indexOf('mIoU')])).toBe(good.metrics.mIoU);
    expect(perClass.stdout.trim().split('\n')).toHaveLength(151);
    expect(perClass.stdout).toContain(`0,wall,${good.perClass[0]!.IoU},`);
    expect(table.stdout).toContain('per class results:');
    expect([address.stdout, local.stdout]).toEqual([text.stdout, text.stdout]);
  });

  it('says in a sentence what is not there, or not for this version', async () => {
    const [missing, version, both, folder] = (await Promise.all([
      tesseraCommand(['results', 'nothing']),
      tesseraCommand(['results', `${ROOT}/runs/later`]),
      tesseraCommand(['results', 'good', '--json', '--csv']),
      tesseraCommand(['results', `${ROOT}/runs/none`]),
    ])) as [Ended, Ended, Ended, Ended];
    expect(missing).toEqual(
      refused(/^✗ nothing: no such run in Temporal's namespace default, and nothing at s3:/),
    );
    expect(version).toEqual(refused(/its version is 2, this Tessera reads 1/));
    expect(both).toEqual(refused('--json and --csv: choose one of them'));
    expect(folder).toEqual(refused(/no results\.json and no table\.json in s3:\/\/tessera\/runs\/none/));
  });
});

describe('tessera compare', () => {
  it('says what is worse, with intervals, as text, JSON and page', async () => {
    const page = path.join(temporaryFolder(), 'compare.html');
    const [text, json] = (await Promise.all([
      tesseraCommand(['compare', 'good', 'worse', '--html', page]),
      tesseraCommand(['compare', 'good', `${ROOT}/runs/worse`, '--json']),
    ])) as [Ended, Ended];
    expect(json).toMatchObject({ code: 0, stderr: '' });
    const { comparisons, dataset } = ComparisonSchema.parse(JSON.parse(json.stdout));
    expect(dataset).toMatchObject({ name: 'mini', images: IMAGES });
    const [{ mIoU, perClass }] = comparisons as [(typeof comparisons)[number]];
    const worse = await tessera.results('worse');
    expect(mIoU.difference).toBeCloseTo(worse.metrics.mIoU! - good.metrics.mIoU!, 12);
    expect(mIoU.interval![1]).toBeLessThan(0);
    expect(perClass[0]!.significant).toBe(true);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain(`A = good`);
    expect(text.stdout).toMatch(
      /│ mIoU +│ +\d+\.\d\d │ +\d+\.\d\d │ +−\d+\.\d\d │ −\d+\.\d\d … −\d+\.\d\d │ \* +│/,
    );
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('good → worse');
    expect(html).toContain(perClass[0]!.name.trim());
    expect(html).not.toMatch(/(src|href)="http/);
  });

  it('of old results gives differences without intervals, and says why', async () => {
    const { code, stdout } = await tesseraCommand(['compare', 'good', `${ROOT}/runs/old`]);
    expect(code).toBe(0);
    expect(stdout).toContain('The label maps of both runs are the same, bit for bit.');
    expect(stdout).toContain('has no per-image matrices beside its results');
  });

  it('refuses other datasets, and runs without results', async () => {
    const [dataset, missing, alone] = (await Promise.all([
      tesseraCommand(['compare', 'good', `${ROOT}/runs/elsewhere`]),
      tesseraCommand(['compare', 'good', 'nothing']),
      tesseraCommand(['compare', 'good']),
    ])) as [Ended, Ended, Ended];
    expect(dataset).toEqual(
      refused(/^✗ good and s3:\/\/tessera\/runs\/elsewhere are of different datasets: .*ffffffff/),
    );
    expect(missing).toEqual(refused(/^✗ nothing: no such run/));
    expect(alone).toEqual(refused(/^✗ compare: name at least two runs/));
  });
});

describe('tessera index', () => {
  it('writes a page over all runs below a prefix, again and again, and prints where it is', async () => {
    const prefix = `${ROOT}/runs`;
    await tessera.session.store.write(`${prefix}/coco/results.json`, Buffer.from('[]'));
    const text = await tesseraCommand(['index', `${prefix}/`]);
    expect(text).toMatchObject({ code: 0, stdout: `${prefix}/index.html\n` });
    expect(text.stderr).toContain(`! not listed: ${prefix}/coco/results.json: is not of Tessera`);
    const json = await tesseraCommand(['index', prefix, '--json']);
    const { runs } = IndexSchema.parse(JSON.parse(json.stdout));
    expect(runs.map(({ resultsUri, incomplete }) => [resultsUri, incomplete !== null]).sort()).toEqual(
      ['elsewhere', 'good', 'later', 'old', 'worse'].map((name) => [
        `${prefix}/${name}/results.json`,
        name === 'later',
      ]),
    );
    expect(runs.find(({ workflowId }) => workflowId === 'worse')).toMatchObject({
      mIoU: (await tessera.results('worse')).metrics.mIoU,
      pageUri: `${prefix}/worse/report.html`,
    });
    expect(String(await tessera.session.store.read(`${prefix}/index.html`))).toContain(
      'href="good/report.html"',
    );
  });

  it('refuses what is no address, and a prefix without runs', async () => {
    const [folder, empty] = (await Promise.all([
      tesseraCommand(['index', './runs']),
      tesseraCommand(['index', `${ROOT}/nothing`]),
    ])) as [Ended, Ended];
    expect(folder).toEqual(refused(/^✗ index: \.\/runs should be a bucket or a folder in it/));
    expect(empty).toMatchObject({ code: 3, stdout: '' });
    expect(empty.stderr).toMatch(/no run has published below it/);
  });
});

describe('tessera get', () => {
  it('copies a run, goes on where it was cut off, and overwrites nothing', async () => {
    const folder = path.join(temporaryFolder(), 'copy');
    const { store } = tessera.session;
    const uri = `${ROOT}/runs/good/report.html`;
    const report = await store.read(uri);
    const { etag } = await store.head(uri);
    mkdirSync(folder);
    const part = `report.html.${createHash('sha256').update(etag).digest('hex').slice(0, 12)}.part`;
    writeFileSync(path.join(folder, part), report.subarray(0, 1000));

    const first = await tesseraCommand(['get', 'good', folder]);
    expect(first).toMatchObject({ code: 0, stdout: `${folder}\n` });
    const names = (await store.list(`${ROOT}/runs/good/`)).map(
      (object) => object.uri.split('/runs/good/')[1]!,
    );
    const copied = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(copied).toHaveLength(names.length);
    for (const name of names)
      expect(
        readFileSync(path.join(folder, name)).equals(await store.read(`${ROOT}/runs/good/${name}`)),
      ).toBe(true);

    const again = await tesseraCommand(['get', 'good', folder, '--json']);
    expect(CopiedSchema.parse(JSON.parse(again.stdout))).toMatchObject({ files: names.length, new: 0 });
    const same = await tesseraCommand(['compare', folder, 'worse', '--json'], {});
    expect(ComparisonSchema.parse(JSON.parse(same.stdout)).comparisons[0]!.mIoU.interval).not.toBeNull();

    const other = Buffer.from(report);
    other[100]! ^= 1;
    writeFileSync(path.join(folder, 'report.html'), other);
    const refusal = await tesseraCommand(['get', 'good', folder]);
    expect(refusal.code).toBe(3);
    expect(refusal.stderr).toContain('report.html there has other content. Nothing was overwritten');
    expect(readFileSync(path.join(folder, 'report.html')).equals(other)).toBe(true);
  });
});

describe('tessera open', () => {
  it('prints an address that anybody can read, or that of the file', async () => {
    const [run, local, missing] = (await Promise.all([
      tesseraCommand(['open', 'good', '--print']),
      tesseraCommand(['open', `${ROOT}/runs/good`], {
        env: { DISPLAY: '', WAYLAND_DISPLAY: '', BROWSER: '' },
      }),
      tesseraCommand(['open', `${ROOT}/runs/old`, '--print']),
    ])) as [Ended, Ended, Ended];
    for (const { code, stdout } of [run, local]) {
      expect(code).toBe(0);
      const page = await fetch(stdout.trim());
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toContain('text/html');
      expect(await page.text()).toContain((100 * good.metrics.mIoU!).toFixed(2));
    }
    expect(missing).toEqual(refused(/no page in s3:\/\/tessera\/runs\/old/));
  });
});

/** `tessera run tiny` on the staged data. */
function run(workflowId: string, args: string[] = [], options: Parameters<typeof tesseraCommand>[1] = {}) {
  const { weights, head, dataset } = tessera.input();
  const inputs = ['--weights', weights, '--head', head!, '--dataset', dataset];
  return tesseraCommand(['run', 'tiny', ...inputs, '--workflow-id', workflowId, ...args], options);
}

describe('tessera run', () => {
  it('ends with code 10 below the gate, with 0 above it, and prints the results for both', async () => {
    const again = (gate: string) =>
      run('good', ['--cfg-options', 'run.shards=2', '--min-miou', gate, '--json', '--quiet']);
    const [below, above] = (await Promise.all([again('99'), again('1')])) as [Ended, Ended];
    const mIoU = (100 * good.metrics.mIoU!).toFixed(2);
    expect(below).toMatchObject({ code: 10, stderr: `✗ mIoU is ${mIoU}, below --min-miou 99\n` });
    expect(ResultsSchema.parse(JSON.parse(below.stdout))).toEqual(good);
    expect(above).toEqual({ code: 0, stdout: below.stdout, stderr: '' });
  });

  it('starts and returns, then is cancelled by somebody; results say what became of it', async () => {
    // Long enough to be asked about: every image at six scales, mirrored and not.
    const started = await run('left', [
      '--no-wait',
      '--json',
      '--aug-test',
      '--cfg-options',
      'run.workers=1',
    ]);
    const { workflowId, runId } = StartedSchema.parse(JSON.parse(started.stdout));
    expect([started.code, workflowId]).toEqual([0, 'left']);
    const handle = tessera.session.client.workflow.getHandle('left', runId);
    const running = await tesseraCommand(['results', 'left']);
    expect(running).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('✗ left: it is still running'),
    });
    await handle.cancel();
    await handle.result().catch(() => {});
    const cancelled = await tesseraCommand(['results', 'left']);
    expect(cancelled).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('✗ left: it was cancelled, and published nothing'),
    });
  });

  it('ends with code 130 by Ctrl-C', async () => {
    // So slow that it is under way when the signal comes.
    const slow = ['run.shards=12', 'run.batch=1', 'model.test.stridePx=28'];
    const ended = run('stopped', ['--cfg-options', ...slow], {
      onStart: (child) => {
        const handle = tessera.session.client.workflow.getHandle('stopped');
        until(handle, ({ shards }) => shards.done > 0).then(() => child.kill('SIGINT'));
      },
    });
    expect(await ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining('✗ cancelled: nothing was published'),
    });
  });

  it('ends with a code for each class of failure, and 2 for what no command takes', async () => {
    const { dataset } = await damagedDataset(tessera, 'damaged', { image: () => Buffer.from('no image') });
    const [data, input, option, command, away] = (await Promise.all([
      run('damaged', ['--dataset', dataset]),
      run('absent', ['--weights', 's3://tessera/nothing.pth']),
      run('option', ['--min-miou', 'much']),
      tesseraCommand(['evaluate']),
      tesseraCommand(['results', 's3://tessera/runs/x'], {
        env: { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' },
      }),
    ])) as [Ended, Ended, Ended, Ended, Ended];
    expect(data).toMatchObject({
      code: exitCode('BadData'),
      stderr: expect.stringMatching(/✗ .*no image|JPEG/),
    });
    expect(input).toMatchObject({
      code: exitCode('BadInput'),
      stderr: expect.stringContaining('nothing.pth'),
    });
    expect(option.code).toBe(exitCode('Usage'));
    expect(command.code).toBe(exitCode('Usage'));
    expect([away.code, away.stderr]).toEqual([exitCode('Unavailable'), expect.stringMatching(/^✗ /)]);
    expect(new Set(EXIT_CODES.map(({ code }) => code)).size).toBe(EXIT_CODES.length);
  });
});
