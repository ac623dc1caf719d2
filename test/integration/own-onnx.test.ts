import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import type { Config } from '../../core/config/config.ts';
import type { EvalInput } from '../../core/config/eval.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import { AUG_TEST } from '../../core/image/views.ts';
import { ownOnnxOf } from '../activities/evaluate/own-onnx-of.ts';
import { modelFile } from '../core/onnx/own-model-file.ts';
import { command } from './command.ts';
import { ROOT, startTessera, type Tessera } from './tessera.ts';

/* One of our own models as an ONNX file of somebody's: every number must be that of the model itself. */

const MODELS = `${ROOT}/models/theirs`;
const OUTPUTS = ['run.shards=2', 'run.predictions=labels', 'run.show={"opacity":0.5}', 'run.overlays=2'];

let tessera: Tessera;
let config: Config;
beforeAll(async () => {
  tessera = await startTessera({ images: 6 });
  const { store } = tessera.session;
  const folder = path.join(tessera.state, 'theirs');
  mkdirSync(folder);
  const checkpoints = ['backbone.pth', 'head.pth'];
  for (const name of checkpoints)
    writeFileSync(path.join(folder, name), await store.read(`${ROOT}/weights/${name}`));
  config = await ownOnnxOf(store, MODELS, { folder, checkpoints }, await loadVitConfig('tiny'));
});
afterAll(() => tessera[Symbol.asyncDispose]());

function inputOf(own: Config, overrides: string[] = []): EvalInput {
  const { weights: _, head: __, ...input } = tessera.input({ overrides });
  return { ...input, config: own };
}

async function failureOf(workflowId: string, input: EvalInput): Promise<string> {
  const failure = await tessera.run(workflowId, input).catch((error: Error) => error.cause);
  return (failure as Error).message;
}

describe('a segmentation model of one’s own, as ONNX', () => {
  it.each([
    ['plainly', []],
    ['with test-time augmentation', [`pipeline.augmentation=${JSON.stringify(AUG_TEST)}`]],
  ])(
    'gives what the same model gives as weights, %s, with everything that is made of it',
    async (id, more) => {
      const name = id.replaceAll(' ', '-');
      const overrides = [...OUTPUTS, ...more];
      await tessera.run(`ours-${name}`, tessera.input({ overrides }));
      await tessera.run(`theirs-${name}`, inputOf(config, overrides));
      const ours = await tessera.results(`ours-${name}`);
      const theirs = await tessera.results(`theirs-${name}`);
      expect(theirs.coverage).toEqual(ours.coverage);
      expect(theirs.metrics).toEqual(ours.metrics);
      expect(theirs.confusionMatrix.sha256).toBe(ours.confusionMatrix.sha256);
      expect(theirs.artifacts.perImage!.sha256).toBe(ours.artifacts.perImage!.sha256);
      expect(theirs.artifacts.overlays).toHaveLength(2);
      const { store } = tessera.session;
      const written = await store.list(theirs.artifacts.predictions!);
      expect(written).toHaveLength(6);
      expect(await store.list(theirs.artifacts.show!)).toHaveLength(6);
      for (const { uri } of written)
        expect(await store.read(uri)).toEqual(await store.read(uri.replace('/theirs-', '/ours-')));
    },
  );

  it('is known by its files: results of others are never taken for its own', async () => {
    const { store } = tessera.session;
    const { inputs } = await tessera.results('theirs-plainly');
    expect(inputs.weights).toMatchObject({ uri: `${MODELS}/model.onnx` });
    expect(inputs.externalFiles).toMatchObject([
      { uri: `${MODELS}/backbone.pth` },
      { uri: `${MODELS}/head.pth` },
    ]);
    const input = inputOf(config, OUTPUTS);
    expect(await tessera.run('theirs-plainly', input)).toMatchObject({ cached: true });
    const head = await store.read(`${MODELS}/head.pth`);
    await store.write(`${MODELS}/head.pth`, Buffer.concat([head, Buffer.from(' ')]));
    expect(await failureOf('theirs-plainly', input)).toMatch(
      /results\.json: already holds the results of other inputs: externalFiles/,
    );
    await store.write(`${MODELS}/head.pth`, head);
  });

  it('is run by the command with a config file and without weights, and planned with what is known', async () => {
    writeFileSync(
      path.join(tessera.state, 'mine.yaml'),
      stringify({ base: 'tiny', ...config, name: 'mine' }),
    );
    const words = ['mine.yaml', '--dataset', tessera.input().dataset];
    const run = await command(tessera.state, 'run', ...words, '--workflow-id', 'by-command');
    expect(run).toMatchObject({ code: 0 });
    const { metrics } = await tessera.results('theirs-plainly');
    expect((await tessera.results('by-command')).metrics).toEqual(metrics);
    const plan = await command(tessera.state, 'plan', ...words);
    expect(plan).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the operations and the memory of an ONNX model are not known'),
    });
    const refused = await command(tessera.state, 'run', ...words, '--weights', `${ROOT}/weights/head.pth`);
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toBe(
      `✗ mine: model.file is the whole model (${MODELS}/model.onnx); weights (${ROOT}/weights/head.pth) does not go with it: leave it out\n`,
    );
  });
});

describe('one that cannot be run is refused in a sentence', () => {
  const MODEL = {
    nodes: [{ op: 'Conv', inputs: ['image', 'weight'], outputs: ['logits'] }],
    tensors: [{ name: 'weight', external: { location: 'weight.bin' } }],
    inputs: [{ name: 'image', shape: [1, 3, 224, 224] }],
    outputs: [{ name: 'logits', shape: [1, 150, 56, 56] }],
  };
  it.each([
    ['missing', null, 'does not exist'],
    [
      'of-other-classes',
      { ...MODEL, outputs: [{ name: 'logits', shape: [1, 19, 56, 56] }], tensors: [] },
      'gives logits of 19 classes, but the config has 150',
    ],
    [
      'with-custom-operators',
      { ...MODEL, nodes: [{ op: 'FusedConv', domain: 'com.microsoft' }] },
      "calls com.microsoft::FusedConv, which are not ONNX's own operators",
    ],
    ['without-its-weights', MODEL, 'keeps weights in weight.bin, which is not beside it'],
  ])('%s', async (name, model, message) => {
    const file = `${ROOT}/models/${name}/model.onnx`;
    if (model) await tessera.session.store.write(file, modelFile(model));
    const overrides = [
      ...[`model.file=${file}`, 'model.input.layout=NCHW'],
      ...[
        'pipeline.mean=[1,1,1]',
        'model.input.sizePx=224',
        'model.test={"mode":"slide","cropPx":224,"stridePx":224}',
      ],
    ];
    expect(await failureOf(name, inputOf(applyOverrides(config, overrides, name)))).toContain(
      `${file}: ${message}`,
    );
  });
});
