import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { planOwnModelAt } from '../../../activities/plan/own-model.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { OnnxModelSchema } from '../../../core/config/onnx-model.ts';
import { sha256 } from '../../builders.ts';
import { type ModelFile, modelFile } from '../../core/onnx/own-model-file.ts';

const URI = 's3://bucket/models/my/model.onnx';
const MODEL: ModelFile = {
  nodes: [{ op: 'Conv', inputs: ['image', 'weight'], outputs: ['logits'] }],
  tensors: [{ name: 'weight', external: { location: 'data/w.bin', offset: '8', length: '60' } }],
  inputs: [{ name: 'image', shape: ['batch', 3, 64, 64] }],
  outputs: [{ name: 'logits', shape: ['batch', 5, 16, 16] }],
};
const CONFIG = OnnxModelSchema.parse({ type: 'onnx', input: { sizePx: 64 }, classes: 5 });

async function planned(model: ModelFile | Buffer, files: Record<string, number> = {}) {
  const store = memoryStore();
  await store.write(URI, Buffer.isBuffer(model) ? model : modelFile(model));
  for (const [location, bytes] of Object.entries(files))
    await store.write(`s3://bucket/models/my/${location}`, Buffer.alloc(bytes));
  return planOwnModelAt(store, URI, CONFIG, { mean: [0, 0, 0], std: [1, 1, 1] });
}

describe('an ONNX model in a store', () => {
  test('is planned with the files that its weights are in', async () => {
    const { object, ownModel } = await planned(MODEL, { 'data/w.bin': 68, 'data/other.bin': 1 });
    const { plan, files } = ownModel;
    expect(object).toMatchObject({ uri: URI, sha256: sha256(modelFile(MODEL)) });
    expect(plan).toMatchObject({ input: { name: 'image', sizePx: 64 }, batch: null, output: { sidePx: 16 } });
    expect(files).toMatchObject([
      { uri: URI, location: 'model.onnx', sizeBytes: modelFile(MODEL).length },
      { uri: 's3://bucket/models/my/data/w.bin', location: 'data/w.bin', sizeBytes: 68 },
    ]);
  });

  test.each<[string, ModelFile | Buffer, Record<string, number>, typeof BadInput | typeof BadData, string]>([
    ['that is none', Buffer.from('text'), {}, BadData, 'not an ONNX model that can be read'],
    ['without its weights', MODEL, {}, BadInput, 'keeps weights in data/w.bin, which is not beside it'],
    [
      'with weights that are cut off',
      MODEL,
      { 'data/w.bin': 67 },
      BadInput,
      'reads data/w.bin up to byte 68, but it has 67',
    ],
    [
      'with a file for each of its tensors',
      {
        ...MODEL,
        tensors: Array.from({ length: 17 }, (_, i) => ({ name: `w${i}`, external: { location: `w${i}` } })),
      },
      {},
      BadInput,
      'keeps weights in 17 files; at most 16 are read: save them in one',
    ],
    [
      'that reads another folder',
      { ...MODEL, tensors: [{ name: 'weight', external: { location: '../other/w.bin' } }] },
      {},
      BadInput,
      "keeps weights in '../other/w.bin'; expected a file beside the model",
    ],
    [
      'of other classes',
      { ...MODEL, outputs: [{ name: 'logits', shape: [1, 19, 16, 16] }] },
      { 'data/w.bin': 68 },
      BadInput,
      'gives logits of 19 classes, but the config has 5',
    ],
  ])('%s is refused by its address', async (_, model, files, failure, message) => {
    await expect(planned(model, files)).rejects.toThrow(failure);
    await expect(planned(model, files)).rejects.toThrow(`${URI}: ${message}`);
  });
});
