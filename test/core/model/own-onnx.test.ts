import { describe, expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { OnnxModelSchema } from '../../../core/config/onnx-model.ts';
import { planOwnModel } from '../../../core/model/own-onnx.ts';
import { readOnnxModel } from '../../../core/onnx/read-model.ts';
import { modelFile, type ValueFile } from '../onnx/own-model-file.ts';

const PIPELINE = { mean: [1, 2, 3] as [number, number, number], std: [4, 5, 6] as [number, number, number] };
const BYTES = { mean: [0, 0, 0] as [number, number, number], std: [1, 1, 1] as [number, number, number] };
const IMAGE: ValueFile = { name: 'image', shape: ['batch', 3, 64, 64] };
const LOGITS: ValueFile = { name: 'logits', shape: ['batch', 5, 16, 16] };

interface Changes {
  inputs?: ValueFile[];
  outputs?: ValueFile[];
  input?: Record<string, unknown>;
  output?: Record<string, unknown>;
  pipeline?: typeof PIPELINE;
}

function plan({ inputs = [IMAGE], outputs = [LOGITS], input, output, pipeline = PIPELINE }: Changes) {
  const config = OnnxModelSchema.parse({
    type: 'onnx',
    input: { sizePx: 64, ...input },
    ...(output ? { output } : {}),
    classes: 5,
  });
  const model = readOnnxModel(modelFile({ nodes: [{ op: 'Conv' }], inputs, outputs }), 'my.onnx');
  return planOwnModel(model, config, pipeline, 'my.onnx');
}

describe('how a model is run', () => {
  test('any batch, fixed sides', () => {
    expect(plan({})).toEqual({
      input: { name: 'image', dtype: 'float32', layout: 'NCHW', channels: 'RGB', sizePx: 64 },
      batch: null,
      output: { name: 'logits', dtype: 'float32', layout: 'NCHW', sidePx: 16 },
      classes: 5,
    });
  });

  test('a fixed batch, of the input or of the logits', () => {
    expect(plan({ inputs: [{ ...IMAGE, shape: [2, 3, 64, 64] }] }).batch).toBe(2);
    expect(plan({ outputs: [{ ...LOGITS, shape: [1, 5, 16, 16] }] }).batch).toBe(1);
  });

  test('channels last, half precision, and a size that the config says', () => {
    const changes: Changes = {
      inputs: [{ name: 'x', type: 10, shape: [1, 'h', 'w', 3] }],
      outputs: [{ name: 'y', type: 10, shape: [1, 'h', 'w', 5] }],
      input: { layout: 'NHWC', channels: 'BGR' },
      output: { layout: 'NHWC', sizePx: 20 },
    };
    expect(plan(changes)).toEqual({
      input: { name: 'x', dtype: 'float16', layout: 'NHWC', channels: 'BGR', sizePx: 64 },
      batch: 1,
      output: { name: 'y', dtype: 'float16', layout: 'NHWC', sidePx: 20 },
      classes: 5,
    });
  });

  test('the output that the config names', () => {
    const outputs = [LOGITS, { ...LOGITS, name: 'aux' }];
    expect(plan({ outputs, output: { name: 'aux' } }).output.name).toBe('aux');
  });

  test('unknown ranks are taken as the config says, and seen to when it runs', () => {
    const outputs = [{ name: 'logits', shape: null }];
    expect(plan({ inputs: [{ name: 'image', shape: null }], outputs, output: { sizePx: 8 } })).toMatchObject({
      batch: null,
      output: { sidePx: 8 },
    });
  });

  test('bytes go in as they are', () => {
    expect(plan({ inputs: [{ ...IMAGE, type: 2 }], pipeline: BYTES }).input.dtype).toBe('uint8');
  });
});

test.each<[string, Changes, string]>([
  [
    'several inputs',
    { inputs: [IMAGE, { name: 'size', type: 7, shape: [2] }] },
    'has 2 inputs (image float32 [batch, 3, 64, 64]; size int64 [2]); expected one: a batch of images',
  ],
  ['no input', { inputs: [] }, 'has 0 inputs'],
  [
    'an input of integers',
    { inputs: [{ ...IMAGE, type: 6 }] },
    'takes image int32 [batch, 3, 64, 64]; expected float32,',
  ],
  [
    'an input of three dimensions',
    { inputs: [{ ...IMAGE, shape: [3, 64, 64] }] },
    'expected four dimensions, NCHW',
  ],
  [
    'the other layout of the input',
    { inputs: [{ ...IMAGE, shape: [1, 64, 64, 3] }] },
    'takes image float32 [1, 64, 64, 3], which has 64 channels in NCHW; expected 3',
  ],
  [
    'another size',
    { inputs: [{ ...IMAGE, shape: [1, 3, 512, 512] }] },
    'takes images of 512×512 px, but model.input.sizePx is 64',
  ],
  ['images that are no square', { inputs: [{ ...IMAGE, shape: [1, 3, 64, 128] }] }, 'expected square crops'],
  [
    'bytes that would be normalised twice',
    { inputs: [{ ...IMAGE, type: 2 }] },
    'takes uint8, so it normalises by itself: set pipeline.mean to [0, 0, 0]',
  ],
  [
    'several outputs',
    { outputs: [LOGITS, { ...LOGITS, name: 'aux' }] },
    'has 2 outputs (logits float32 [batch, 5, 16, 16]; aux float32 [batch, 5, 16, 16]): name the one',
  ],
  ['an output that is not there', { output: { name: 'out' } }, 'has no output out; it has logits float32'],
  [
    'an argmax',
    { outputs: [{ name: 'labels', type: 7, shape: ['batch', 64, 64] }] },
    'gives labels int64 [batch, 64, 64]: a class a pixel. Expected logits [batch, 5, height, width]',
  ],
  [
    'an argmax in floats',
    { outputs: [{ name: 'l', shape: ['batch', 64, 64] }] },
    'export it without its argmax',
  ],
  [
    'an argmax with a channel',
    { outputs: [{ name: 'l', type: 7, shape: [1, 1, 64, 64] }] },
    'without its argmax',
  ],
  [
    'logits in double',
    { outputs: [{ ...LOGITS, type: 11 }] },
    'gives logits float64 [batch, 5, 16, 16]; expected',
  ],
  [
    'a classification',
    { outputs: [{ name: 'l', shape: ['batch', 5] }] },
    'expected logits [batch, 5, height, width]',
  ],
  [
    'other classes',
    { outputs: [{ ...LOGITS, shape: [1, 21, 16, 16] }] },
    'gives logits of 21 classes, but the config has 5',
  ],
  [
    'the other layout of the logits',
    { outputs: [{ ...LOGITS, shape: [1, 16, 16, 5] }] },
    'which has 5 classes in the other layout: set model.output.layout to NHWC',
  ],
  ['logits that are no square', { outputs: [{ ...LOGITS, shape: [1, 5, 16, 8] }] }, 'expected square logits'],
  [
    'logits of unknown size',
    { outputs: [{ ...LOGITS, shape: [1, 5, 'h', 'w'] }] },
    "which doesn't say the logits' size: set model.output.sizePx to their side",
  ],
  [
    'logits of another size',
    { output: { sizePx: 64 } },
    'gives logits of 16 px, but model.output.sizePx is 64',
  ],
  [
    'two batches',
    { inputs: [{ ...IMAGE, shape: [2, 3, 64, 64] }], outputs: [{ ...LOGITS, shape: [1, 5, 16, 16] }] },
    'takes 2 images at once and gives logits of 1',
  ],
])('a model with %s is refused', (_, changes, message) => {
  expect(() => plan(changes)).toThrow(BadInput);
  expect(() => plan(changes)).toThrow(`my.onnx: `);
  expect(() => plan(changes)).toThrow(message);
});
