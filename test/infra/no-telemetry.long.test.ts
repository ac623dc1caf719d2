import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runAtHome } from './at-home.ts';
import { ROOT, temporaryFolder } from './observe.ts';

const bootstrap = join(ROOT, 'infra/local/bootstrap.mjs');

test.for([
  // A command that loads ONNX Runtime itself, and starts a control worker and GPU workers.
  ['tessera', 'demo'],
  // The comparison with the original's numbers: evaluation and training.
  ['dev', 'golden'],
])('npm run %s %s leaves no trace of ONNX Runtime’s telemetry', async (args) => {
  const state = temporaryFolder();
  const run = await runAtHome([bootstrap, ...args], { TESSERA_STATE: state, XDG_STATE_HOME: state });
  expect(run.code, run.output).toBe('0');
  expect(run.written.filter((file) => /microsoft|onnxruntime/i.test(file))).toEqual([]);
});
