import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { planTrain } from '../../../activities/plan/plan-train.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { stagedSet, TINY } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { plan } from './plan-of.ts';

const MODEL = {
  type: 'onnx',
  file: 's3://bucket/models/model.onnx',
  input: { sizePx: 28 },
  classes: 150,
  test: { mode: 'slide', cropPx: 28, stridePx: 20 },
};

test('an ONNX model takes the place of the whole model of its base', async () => {
  const file = join(temporaryFolder(), 'mine.yaml');
  writeFileSync(file, stringify({ base: 'tiny', model: MODEL }));
  const { model } = await loadConfig(file);
  expect(model).toEqual({
    ...MODEL,
    input: { sizePx: 28, layout: 'NCHW', channels: 'RGB' },
    output: { layout: 'NCHW' },
  });
  writeFileSync(file, stringify({ base: 'tiny', model: { ...MODEL, classes: 19 } }));
  const { dataset } = await loadConfig(file);
  expect(dataset.classes).toBe('ade20k');
});

test.each([
  [{ ...MODEL, head: { type: 'linear' } }, 'model.head does not go with this kind of'],
  [{ ...MODEL, classes: 1025 }, 'model.classes is 1025; at most 1024 are counted'],
  [{ ...MODEL, file: '/models/model.onnx' }, 'model.file: expected s3://bucket/key'],
  [{ ...MODEL, input: { sizePx: 56 } }, 'model.test.cropPx is 28, but model.input.sizePx is 56'],
  [
    { ...MODEL, type: 'onxx' },
    'model.type: expected a model with a backbone and a head, or one of type onnx',
  ],
])('%o is refused by the field', async (model, message) => {
  const { store, input } = await stagedSet();
  await expect(plan(store, { ...input, config: { ...TINY, model } as never })).rejects.toThrow(message);
});

test('checkpoints are neither given to an ONNX model nor missing for one of ours', async () => {
  const { store, input } = await stagedSet();
  const own = { ...TINY, model: MODEL } as never;
  await expect(plan(store, { ...input, config: own })).rejects.toThrow(
    'test: model.file is the whole model (s3://bucket/models/model.onnx); weights (s3://bucket/weights.pth) does not go with it',
  );
  const { weights: _, ...without } = input;
  await expect(plan(store, without)).rejects.toThrow(
    'test: weights: expected s3://bucket/key or hf://org/name@revision/file',
  );
});

test('an ONNX model is not trained', async () => {
  const { store, input } = await stagedSet();
  const context = { store, launcher: 'local', codeVersion: 'x', imageDigest: null };
  const config = { ...TINY, model: MODEL } as never;
  const workflow = { workflowId: 'train-1', runId: 'run-1', taskQueue: 'tessera' };
  const refusal = planTrain(context, { ...input, config }, workflow);
  await expect(refusal).rejects.toThrow(BadInput);
  await expect(refusal).rejects.toThrow('test: model.type is onnx, which is only evaluated');
});
