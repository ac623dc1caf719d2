import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE } from '../workers/environment.ts';
import { temporaryFolder } from './infra/observe.ts';

const BIOME = path.join(PACKAGE, 'node_modules/@biomejs/biome/bin/biome');

/** What the linter says of a file with these lines, were it in the repository; '' if nothing. */
function lint(file: string, ...lines: string[]): string {
  const root = temporaryFolder();
  for (const part of ['biome.json', '.gitignore', 'infra/lint'])
    cpSync(path.join(PACKAGE, part), path.join(root, part), { recursive: true });
  mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
  writeFileSync(path.join(root, file), `${lines.join('\n')}\n`);
  const args = [BIOME, 'lint', '--error-on-warnings', file];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? '' : stderr.replaceAll(/\s+/g, ' ');
}

describe('the linter refuses what the table of CONTRIBUTING forbids', () => {
  it.each([
    ['core/model/x.ts', "export { a } from 'sharp';", 'core is pure'],
    ['core/model/x.ts', "export { readFile } from 'node:fs/promises';", 'core is pure'],
    ['core/model/x.ts', "export { a } from '../../activities/read-at.ts';", 'core is pure'],
    ['core/x.ts', "export { a } from '../infra/local/program.ts';", 'core is pure'],
    ['core/x.ts', "export const a = () => import('@temporalio/client');", 'core is pure'],
    ['core/x.ts', 'export const now = () => Date.now();', 'core knows no clock'],
    ['workflows/x.ts', "export { a } from 'node:os';", 'workflows import core'],
    ['workflows/x.ts', "export { a } from 'zod';", 'workflows import core'],
    ['workflows/x.ts', "export { a } from '../infra/local/program.ts';", 'workflows import core'],
    ['workflows/x.ts', "import { a } from '../activities/read-at.ts';\na();", 'types of activities only'],
    ['workflows/x.ts', "export { type A, a } from '../activities/read-at.ts';", 'types of activities only'],
    [
      'activities/evaluate/x.ts',
      "export { a } from '../deliver/download-ranges.ts';",
      'never imports another',
    ],
    ['activities/evaluate/x.ts', "export type { A } from '../train/training.ts';", 'never imports another'],
    [
      'activities/evaluate/x.ts',
      "export const a = () => import('../plan/staged.ts');",
      'never imports another',
    ],
    [
      'activities/train/features/x.ts',
      "export { a } from '../../evaluate/inference.ts';",
      'never imports another',
    ],
    ['activities/plan/x.ts', "export { a } from '../control.ts';", 'never imports another'],
    ['activities/launch/x.ts', "export { a } from '../../infra/local/program.ts';", 'a worker hands in'],
    [
      'activities/launch/kubernetes/x.ts',
      "export { a } from '../../../workers/connection.ts';",
      'a worker hands in',
    ],
    ['activities/x.ts', "export { a } from '../cli/terminal.ts';", 'a worker hands in'],
    [
      'activities/train/x.ts',
      "export { InferenceSession } from 'onnxruntime-node';",
      'switches telemetry off',
    ],
    ['activities/onnx/x.ts', "export { address } from 'koffi';", 'only ort-api.ts beside it calls C'],
    ['cli/x.ts', "export { a } from '../test/builders.ts';", 'What is shipped'],
    ['workers/x.ts', "export { a } from '../test/builders.ts';", 'What is shipped'],
  ])('%s: %s', (file, line, message) => {
    expect(lint(file, line)).toContain(message);
  });
});

it.each([
  ['core/model/x.ts', ["export { z } from 'zod';", "export { a } from '../plan/report.ts';"]],
  [
    'workflows/x.ts',
    ["export type { A } from '../activities/control.ts';", "export { b } from '../core/x.ts';"],
  ],
  [
    'activities/evaluate/x.ts',
    ["export { a } from '../images/decode.ts';", "export { b } from '../read-at.ts';"],
  ],
  [
    'activities/train/features/x.ts',
    ["export { a } from '../training.ts';", "export { b } from '../../onnx/gpu.ts';"],
  ],
  ['activities/control.ts', ["export { a } from './plan/staged.ts';", "export { b } from '../core/x.ts';"]],
  [
    'workers/x.ts',
    ["export { a } from '../activities/control.ts';", "export { b } from '../infra/local/program.ts';"],
  ],
])('%s may have what the table allows', (file, lines) => {
  expect(lint(file, ...lines)).toBe('');
});

it('the linter refuses a spread of an object literal, anywhere', () => {
  for (const file of ['core/x.ts', 'workers/x.ts', 'test/x.ts'])
    expect(lint(file, 'export const a = (b: object) => ({ ...b, ...{ c: 1 } });')).toContain(
      'write the prop',
    );
  expect(lint('core/x.ts', 'export const a = (b?: object) => ({ ...b, ...(b ? { c: 1 } : {}) });')).toBe('');
});
