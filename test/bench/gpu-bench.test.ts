import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, temporaryFolder } from '../infra/observe.ts';
import { runPhases } from './gpu/run-phases.ts';

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
