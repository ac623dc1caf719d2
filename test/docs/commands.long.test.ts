import { execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE } from '../../workers/environment.ts';
import { DINOV3_S } from '../core/model/model-jsons.ts';
import { makeFolder, until } from '../infra/observe.ts';
import { writeAsSafetensors } from './as-safetensors.ts';
import { scriptOf, shellBlocks } from './sh-blocks.ts';
import { writeSmallDataset } from './small-dataset.ts';

/* The commands of README and docs, as a reader gives them one after the other: on one local stack, in an empty folder. */

const DOCUMENTS = [
  'README.md',
  'docs/how-to/backbones.md',
  'docs/tutorials/first-run.md',
  'docs/tutorials/your-own-data.md',
  'docs/tutorials/your-own-checkpoint.md',
  'docs/how-to/ci.md',
  'docs/how-to/comparing.md',
  'docs/how-to/costs.md',
  'docs/how-to/schedules.md',
  'docs/how-to/weights.md',
];
/** All of their commands need what isn't here. */
const NOT_HERE = [
  'docs/tutorials/first-cluster.md',
  'docs/tutorials/gpu-machine.md',
  'docs/how-to/datasets.md',
  'docs/how-to/notices.md',
];

const folder = makeFolder();
const state = join(folder, 'state');
const { TESSERA_BUCKET: _, ...inherited } = process.env;
const named = Object.keys(inherited).filter((name) => /^(TEMPORAL|AWS)_/.test(name));
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(inherited).filter(([name]) => !named.includes(name))),
  TESSERA_STATE: state,
};
let stack: ReturnType<typeof spawn>;

beforeAll(async () => {
  stack = spawn(process.execPath, [join(PACKAGE, 'cli/tessera.mjs'), 'stack'], { env, stdio: 'pipe' });
  let output = '';
  for (const stream of [stack.stdout!, stack.stderr!]) stream.on('data', (data) => (output += data));
  await until('the stack is up', () => output.includes('In another terminal'), 120_000);
});
afterAll(async () => {
  const ended = new Promise((resolve) => stack.once('close', resolve));
  stack.kill('SIGINT');
  await ended;
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** An empty folder of a reader's, in which `npx tessera` is this clone's, with the files that a document speaks of. */
async function readersFolder(document: string): Promise<string> {
  const cwd = join(folder, document.replaceAll('/', '-'));
  mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
  symlinkSync(join(PACKAGE, 'cli/tessera.mjs'), join(cwd, 'node_modules/.bin/tessera'));
  if (document.endsWith('your-own-data.md')) await writeSmallDataset(join(cwd, 'my_dataset'));
  if (document.endsWith('weights.md'))
    await writeAsSafetensors(join(state, 'demo/tiny_intern_vit_224px.pth'), join(cwd, 'my_model'));
  if (document.endsWith('backbones.md')) {
    mkdirSync(join(cwd, 'my_vit'));
    writeFileSync(join(cwd, 'my_vit/config.json'), JSON.stringify(DINOV3_S));
  }
  if (document.endsWith('your-own-checkpoint.md')) {
    copyFileSync(join(state, 'demo/tiny_intern_vit_224px.pth'), join(cwd, 'my_backbone.pth'));
    copyFileSync(join(state, 'demo/tiny_linear_head.pth'), join(cwd, 'my_head.pth'));
  }
  return cwd;
}

describe('the commands work that are in', () => {
  it.each(DOCUMENTS)('%s', { timeout: 400_000 }, async (document) => {
    const cwd = await readersFolder(document);
    const script = scriptOf(document);
    const run = promisify(execFile)('bash', ['-c', script], { cwd, env, maxBuffer: 64 << 20 });
    const { stdout } = await run.catch((error) => {
      throw new Error(`${error.stdout.slice(-3_000)}\n${error.stderr.slice(-3_000)}`);
    });
    if (document === 'README.md') {
      expect(stdout).toContain('aAcc');
      expect(existsSync(join(cwd, 'results/results.json'))).toBe(true);
    }
    if (document.endsWith('your-own-data.md')) expect(meanIoU(stdout)).toBeGreaterThan(60);
  });

  it('no document but those whose commands need something else', () => {
    for (const document of NOT_HERE)
      expect(
        shellBlocks(document).every(({ notHere }) => notHere),
        document,
      ).toBe(true);
    for (const document of DOCUMENTS) expect(scriptOf(document), document).toContain('npx tessera');
  });
});

/** The last mIoU of mmseg's summary that was printed, in per cent. */
function meanIoU(output: string): number {
  const [line] = [
    ...output.matchAll(/\|\s*aAcc\s*\|\s*mIoU[^\n]*\n[^\n]*\n\|\s*[\d.]+\s*\|\s*([\d.]+)/g),
  ].slice(-1);
  return Number(line?.[1]);
}
