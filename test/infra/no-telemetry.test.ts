import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, startNode, temporaryFolder } from './observe.ts';

/** Runs a program whose user has an empty home, and has set nothing: ONNX Runtime reports nothing where CI is set. */
async function runAtHome(args: string[]) {
  const home = join(temporaryFolder(), 'home');
  mkdirSync(home);
  const run = startNode(args, { PATH: process.env.PATH, HOME: home });
  const code = await run.exited;
  return { code, output: run.output(), written: readdirSync(home, { recursive: true }) };
}

const program = (name: string) => ['--import', 'tsx', join(ROOT, 'test/infra/programs', name)];

test("inference writes nothing to the user's folder", async () => {
  const run = await runAtHome([...program('infer-once.ts'), temporaryFolder()]);
  expect(run).toEqual({ code: '0', output: '64 labels\n', written: [] });
});

test.runIf(process.platform === 'linux')('ONNX Runtime alone would write there', async () => {
  const script = `const { InferenceSession } = await import('onnxruntime-node');
    await InferenceSession.create(new Uint8Array(4)).catch(() => {});`;
  const run = await runAtHome(['--input-type=module', '-e', script]);
  expect(run.written).toContain('.cache/Microsoft/DeveloperTools/.onnxruntime/onnxruntime.db');
});
