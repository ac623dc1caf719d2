import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { runAtHome } from './at-home.ts';
import { ROOT, temporaryFolder } from './observe.ts';

const program = (name: string) => ['--import', 'tsx', join(ROOT, 'test/infra/programs', name)];

test("inference writes nothing to the user's folder", async () => {
  const run = await runAtHome([...program('infer-once.ts'), temporaryFolder()]);
  expect(run).toEqual({ code: '0', output: '64 labels\n', written: [] });
});

test('a session over the C API writes nothing to it, in the first thread and in others', async () => {
  const run = await runAtHome(program('run-over-c-api.ts'));
  expect(run).toEqual({ code: '0', output: '4 9\n'.repeat(5), written: [] });
});

test('threads are started where telemetry is switched off first, and nowhere else', () => {
  const sources = ['activities', 'cli', 'workers', 'infra'].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' }).map((file) => join(room, file)),
  );
  const starters = sources
    .filter((file) => /\.m?ts$|\.mjs$/.test(file))
    .filter((file) => /\bnew Worker\(/.test(readFileSync(join(ROOT, file), 'utf8')));
  expect(starters).toEqual(['activities/thread.ts']);
  expect(readFileSync(join(ROOT, 'activities/thread.ts'), 'utf8')).toMatch(
    /^import '.\/onnx\/no-telemetry.ts';/m,
  );
});

test('images and pods switch it off', () => {
  for (const image of ['control', 'worker']) {
    const dockerfile = readFileSync(join(ROOT, 'images', image, 'Dockerfile'), 'utf8');
    expect(dockerfile, image).toMatch(/^\s+ORT_DISABLE_TELEMETRY=1 \\$/m);
  }
  const template = parse(readFileSync(join(ROOT, 'k8s/base/pod-template.yaml'), 'utf8'));
  const [container] = (template.template ?? template).spec.containers;
  expect(container.env).toContainEqual({ name: 'ORT_DISABLE_TELEMETRY', value: '1' });
});

test.runIf(process.platform === 'linux')('ONNX Runtime alone would write there', async () => {
  const script = `const { InferenceSession } = await import('onnxruntime-node');
    await InferenceSession.create(new Uint8Array(4)).catch(() => {});`;
  const run = await runAtHome(['--input-type=module', '-e', script]);
  expect(run.written).toContain('.cache/Microsoft/DeveloperTools/.onnxruntime/onnxruntime.db');
});
