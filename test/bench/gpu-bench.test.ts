import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, temporaryFolder } from '../infra/observe.ts';
import { packagesOf } from './gpu/pack.ts';
import { runPhases } from './gpu/run-phases.ts';
import { trainingNumbers } from './gpu/train/numbers.ts';
import { FEW_SHOT, FULL_TUNING } from './gpu/train/training-config.ts';
import { blocksThatFit } from './gpu/train/whole-model.ts';

const PROGRAM = join(import.meta.dirname, 'programs/phase.mjs');

function run(
  names: string[],
  { seconds = 60, limitSeconds = 60, signal = new AbortController().signal } = {},
) {
  const out = temporaryFolder();
  const reports = runPhases({
    phases: names.map((name) => ({ name, seconds: name === 'hangs' ? 1 : seconds })),
    command: (name) => [process.execPath, PROGRAM, name],
    cwd: out,
    limitSeconds,
    out,
    head: { data: { device: 'cuda' }, lines: ['a benchmark'] },
    say() {},
    signal,
  });
  return { out, reports };
}

test('a phase that fails, crashes or hangs keeps its figures, and the next one runs', async () => {
  const { out, reports } = run(['fails', 'crashes', 'hangs', 'works']);
  expect(await reports).toMatchObject([
    { name: 'fails', status: 'failed', error: 'the GPU is on fire' },
    { name: 'crashes', status: 'failed', error: 'its process ended with signal SIGSEGV' },
    { name: 'hangs', status: 'out of time', error: 'ended after 1 s; the figures above are kept' },
    { name: 'works', status: 'done', error: null },
  ]);
  for (const { rows } of await reports) expect(rows).toEqual([{ figure: 1 }]);
  const json = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
  expect(json).toMatchObject({ version: 1, device: 'cuda', phases: await reports });
  const text = readFileSync(join(out, 'results.txt'), 'utf8');
  expect(text).toContain('a benchmark\n\nfails: failed');
  expect(text).toContain('  crashes: one figure\n  ✗ its process ended with signal SIGSEGV\n');
});

test('no phase starts once the whole time is spent', async () => {
  const { reports } = run(['works', 'works'], { limitSeconds: 0 });
  expect((await reports).map(({ status }) => status)).toEqual(['not started', 'not started']);
});

/** A clone's part that a bare machine needs, with parts that hold these bytes. */
function bareMachine(parts: Record<string, string>) {
  const root = temporaryFolder();
  const folder = join(root, '.tessera/bench-gpu/parts');
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(root, 'infra/bench-gpu'), { recursive: true });
  cpSync(join(ROOT, 'infra/bench-gpu/run.py'), join(root, 'infra/bench-gpu/run.py'));
  const listed = Object.entries(parts).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return { name, bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
  });
  writeFileSync(join(folder, 'parts.json'), JSON.stringify(listed));
  return { root, folder };
}

function runThere(root: string): string {
  try {
    return execFileSync('python3', [join(root, 'infra/bench-gpu/run.py')], { stdio: 'pipe' }).toString();
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr);
  }
}

test.runIf(process.platform === 'linux')('parts that were not carried, or not wholly, are named', () => {
  const { root, folder } = bareMachine({ 'part-1': 'one', 'part-2': 'two' });
  writeFileSync(join(folder, 'part-2'), 'tw');
  expect(runThere(root)).toMatch(/part-2 of 2 parts are missing or damaged: carry them here again\n$/);
});

test("the pack has the packages of the threads that the benchmark starts, and koffi's binary", () => {
  const packages = packagesOf(join(ROOT, 'test/bench/gpu/main.ts')).map((folder) => relative(ROOT, folder));
  expect(packages).toContain('node_modules/onnxruntime-node');
  expect(packages).toContain('node_modules/koffi');
  expect(packages.filter((folder) => folder.startsWith('node_modules/@koromix/koffi-'))).not.toEqual([]);
});

test('as many blocks of the 6B train as the device holds: all of them on 141 GB', async () => {
  const bench = { device: 'cuda' as const, small: false, overrides: [] };
  const blocks = (room: number | null, row = FEW_SHOT) => blocksThatFit(bench, row, room);
  expect(await Promise.all([blocks(141e9), blocks(null), blocks(141e9, FULL_TUNING)])).toEqual([48, 48, 48]);
  expect(await blocks(80e9)).toBeGreaterThan(30);
  expect(await blocks(80e9)).toBeLessThan(42);
});

test("a training's numbers are compared with the CPU's: those of a CPU are the same bits", async () => {
  const rows: Record<string, unknown>[] = [];
  await trainingNumbers({
    device: 'cpu',
    batches: [],
    passes: 1,
    images: 1,
    small: true,
    overrides: [],
    golden: null,
    folder: temporaryFolder(),
    record: (row) => rows.push(row),
  });
  const [onCpu, again] = rows;
  expect(again).toMatchObject({ isSame: true, lossesApart: 0, gradientsApart: 0, losses: onCpu!.losses });
  const [first, , last] = onCpu!.losses as number[];
  expect(last).toBeLessThan(first!);
});
