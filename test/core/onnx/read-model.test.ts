import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { checkExternalFiles, checkOnnxModel } from '../../../core/onnx/check-model.ts';
import { GraphBuilder } from '../../../core/onnx/graph.ts';
import { readOnnxModel } from '../../../core/onnx/read-model.ts';
import { type GraphFile, type ModelFile, message, modelFile, within } from './own-model-file.ts';

const CONV: ModelFile = {
  nodes: [{ op: 'Conv', inputs: ['image', 'weight'], outputs: ['logits'] }],
  tensors: [{ name: 'weight', dims: [5, 3, 1, 1], floats: new Array<number>(15).fill(1) }],
  // Up to IR version 3 initializers were inputs as well.
  inputs: [
    { name: 'image', shape: ['batch', 3, 8, 8] },
    { name: 'weight', shape: [5, 3, 1, 1] },
  ],
  outputs: [{ name: 'logits', type: 10, shape: ['batch', 5, -1, ''] }],
};

function read(model: ModelFile) {
  return readOnnxModel(modelFile(model), 'my.onnx');
}

function check(model: ModelFile) {
  return () => checkOnnxModel(read(model), 'my.onnx');
}

describe('a model', () => {
  test('says what it takes and gives, free dimensions by name', () => {
    const model = read(CONV);
    expect(model).toMatchObject({ irVersion: 8, producer: 'hand', isTraining: false, externalFiles: [] });
    expect(model.inputs).toEqual([{ name: 'image', elementType: 1, shape: ['batch', 3, 8, 8] }]);
    expect(model.outputs).toEqual([{ name: 'logits', elementType: 10, shape: ['batch', 5, null, null] }]);
    expect(model.opsets).toEqual(new Map([['', 17]]));
    expect(model.operators).toEqual([{ domain: '', name: 'Conv', opset: 17 }]);
    expect(check(CONV)).not.toThrow();
  });

  test('of our own is read as it was built, its weights beside it', () => {
    const graph = new GraphBuilder('own');
    const x = graph.input('x', 'uint8', [2, 3]);
    const place = { offset: 64, length: 24 };
    const w = graph.external('w', 'float32', [2, 3], { location: 'deep/w.pth', ...place });
    graph.external('v', 'float32', [2, 3], { location: 'deep/w.pth', ...place, offset: 8 });
    graph.output(graph.node('Add', [graph.cast(x, 'float32'), w]), 'float32', [2, 3]);
    const model = readOnnxModel(graph.toBytes(), 'own');
    expect(model.inputs).toEqual([{ name: 'x', elementType: 2, shape: [2, 3] }]);
    expect(model.operators.map(({ name }) => name)).toEqual(['Cast', 'Add']);
    expect(model.externalFiles).toEqual([{ location: 'deep/w.pth', endBytes: 88 }]);
    expect(() => checkOnnxModel(model, 'own')).not.toThrow();
  });

  test('with a value of unknown rank has no shape', () => {
    const { inputs } = read({ ...CONV, inputs: [{ name: 'image', shape: null }] });
    expect(inputs).toEqual([{ name: 'image', elementType: 1, shape: null }]);
  });

  test('calls what its branches and functions call', () => {
    const branch: GraphFile = {
      nodes: [{ op: 'Relu' }, { op: 'If', graphs: [{ nodes: [{ op: 'Tanh' }] }] }],
    };
    const { operators, functions } = read({
      ...CONV,
      nodes: [
        { op: 'If', graphs: [branch] },
        { op: 'norm', domain: 'my.functions' },
      ],
      opsets: { 'ai.onnx': 18, 'my.functions': 1 },
      functions: [{ domain: 'my.functions', name: 'norm', nodes: [{ op: 'Sqrt' }], opset: 16 }],
    });
    const called = operators.map(({ domain, name, opset }) => `${domain}::${name} ${opset}`);
    expect(called.sort()).toEqual(['::If 18', '::Relu 18', '::Sqrt 16', '::Tanh 18', 'my.functions::norm 1']);
    expect(functions).toEqual(new Set(['my.functions::norm']));
  });

  test("keeps tensors in files: of attributes' and sparse ones, too", () => {
    const { externalFiles } = read({
      ...CONV,
      tensors: [{ name: 'weight', external: { location: 'a.bin' } }],
      sparse: [{ name: 's', external: { location: 'b.bin', offset: '10', length: '20' } }],
      nodes: [
        { op: 'If', graphs: [{ tensors: [{ name: 't', external: { location: 'c.bin', length: '7' } }] }] },
      ],
    });
    expect(externalFiles.sort((a, b) => a.location.localeCompare(b.location))).toEqual([
      { location: 'a.bin', endBytes: 0 },
      { location: 'b.bin', endBytes: 30 },
      { location: 'c.bin', endBytes: 7 },
    ]);
  });
});

describe('a hostile file is BadData', () => {
  const deep = (depth: number): GraphFile =>
    depth === 0 ? {} : { nodes: [{ op: 'If', graphs: [deep(depth - 1)] }] };

  test.each<[string, Buffer, RegExp]>([
    ['that is empty', Buffer.alloc(0), /my\.onnx: not an ONNX model that can be read: it has no graph/],
    ['that is a picture', Buffer.from('\x89PNG\r\n\x1a\n0000'), /my\.onnx: not an ONNX model/],
    ['that is cut off', modelFile(CONV).subarray(0, -20), /damaged/],
    ['with graphs within graphs', modelFile(deep(40)), /graphs within graphs, more than 32 deep/],
    ['with two graphs', Buffer.concat([modelFile(CONV), modelFile(CONV)]), /it has two graphs/],
    [
      'with millions of inputs',
      modelFile({ ...CONV, inputs: Array.from({ length: 2000 }, (_, i) => ({ name: `${i}` })) }),
      /more than 1000 inputs and outputs/,
    ],
    [
      'with a value of many dimensions',
      modelFile({ ...CONV, inputs: [{ name: 'x', shape: new Array<number>(40).fill(1) }] }),
      /more than 16 dimensions/,
    ],
    [
      'with a name of 5 kB',
      modelFile({ ...CONV, inputs: [{ name: 'x'.repeat(5000) }] }),
      /a name of 5000 bytes/,
    ],
    [
      'with an offset that is none',
      modelFile({ ...CONV, tensors: [{ name: 'w', external: { location: 'a', offset: '-1' } }] }),
      /w: its external offset is '-1'/,
    ],
    [
      'with a text where a graph should be',
      message((file) => file.tag(1, 0).int64(8).tag(7, 0).int64(1)),
      /field 7 should not be an integer/,
    ],
  ])('%s', (_, bytes, expected) => {
    expect(() => readOnnxModel(bytes, 'my.onnx')).toThrow(BadData);
    expect(() => readOnnxModel(bytes, 'my.onnx')).toThrow(expected);
  });

  test.each<[string, string[], RegExp]>([
    ['that call themselves', ['b', 'a'], /function d::a calls itself/],
    // Each one calls the next one twice: the last one would be there 2^30 times.
    [
      'that become millions of nodes',
      Array.from({ length: 30 }, (_, i) => `f${i + 1}`),
      /more than 1000000 nodes once its functions are put in place/,
    ],
  ])('with functions %s', (_, calls, expected) => {
    const nameOf = (i: number) => (calls.length === 2 ? ['a', 'b'][i]! : `f${i}`);
    const functions = calls.map((callee, i) => {
      const call = { op: callee, domain: 'd' };
      return { domain: 'd', name: nameOf(i), nodes: [call, call] };
    });
    const model = { ...CONV, nodes: [{ op: nameOf(0), domain: 'd' }], opsets: { '': 17, d: 1 }, functions };
    expect(() => read(model)).toThrow(BadData);
    expect(() => read(model)).toThrow(expected);
  });

  test('with millions of nodes', () => {
    // A node of no bytes takes two in the file.
    const nodes = Buffer.alloc(2 * 1_000_001).map((_, i) => (i % 2 === 0 ? 0x0a : 0));
    const bytes = message((file) => {
      file.tag(1, 0).int64(8);
      file.tag(7, 2).bytes(nodes);
    });
    expect(() => readOnnxModel(bytes, 'x')).toThrow(/more than 1000000 nodes/);
  });

  test('whatever bytes are changed: nothing but BadData is thrown', () => {
    const whole = modelFile({ ...CONV, functions: [{ domain: 'd', name: 'f', nodes: [{ op: 'Relu' }] }] });
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readOnnxModel(bytes, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(BadData);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a model that cannot be run here is BadInput', () => {
  const call = (op: string, domain?: string) => ({
    ...CONV,
    nodes: [{ op, ...(domain === undefined ? {} : { domain }) }],
  });

  test.each<[string, ModelFile, string]>([
    ['opset 27', { ...CONV, opsets: { '': 27 } }, 'opset 27, but ONNX Runtime reads 7 to 26'],
    ['opset 6', { ...CONV, opsets: { '': 6 } }, 'opset 6, but ONNX Runtime reads 7 to 26'],
    ['no opset', { ...CONV, opsets: {} }, "imports no opset of ONNX's own operators"],
    ['IR version 14', { ...CONV, ir: 14 }, 'IR version 14, but ONNX Runtime reads up to 13'],
    ['a training', { ...CONV, training: true }, 'holds a training; export the model for inference'],
    [
      'a custom operator',
      call('Evil', 'my.ops'),
      "calls my.ops::Evil, which are not ONNX's own operators: export it without custom operators",
    ],
    ["ONNX Runtime's own operators", call('FusedConv', 'com.microsoft'), 'calls com.microsoft::FusedConv'],
    [
      'a custom operator in a branch',
      { ...CONV, nodes: [{ op: 'If', graphs: [{ nodes: [{ op: 'Evil', domain: 'd' }] }] }] },
      'calls d::Evil',
    ],
    ['an unknown operator', call('Convolve'), 'calls Convolve, which is no operator of ONNX'],
    [
      'an operator of a later opset',
      call('Attention'),
      'calls Attention in opset 17, but it is there from opset 23 on',
    ],
    ['an operator that draws', call('RandomNormal'), 'calls RandomNormal, which draws at random'],
    ...['../w.bin', '/etc/passwd', 'a/../../w.bin', 'C:\\w.bin', 'a\\b', '', 'a//b', './a', 'a/'].map(
      (location): [string, ModelFile, string] => [
        `weights in '${location}'`,
        { ...CONV, tensors: [{ name: 'weight', external: { location } }] },
        `keeps weights in '${location}'; expected a file beside the model`,
      ],
    ),
  ])('%s', (_, model, expected) => {
    expect(check(model)).toThrow(BadInput);
    expect(check(model)).toThrow(`my.onnx: ${expected}`);
  });

  test('with all of its problems', () => {
    expect(check({ ...call('Evil', 'd'), ir: 99, opsets: { '': 99 } })).toThrow(
      /IR version 99.*\n.*opset 99.*\n.*calls d::Evil/,
    );
  });

  test('without the files beside it, or with shorter ones', () => {
    const external = { location: 'w.bin', offset: '100', length: '60' };
    const model = read({ ...CONV, tensors: [{ name: 'weight', external }] });
    const sizes = (bytes: number) => new Map([['w.bin', bytes]]);
    expect(() => checkExternalFiles(model, sizes(160), 'my.onnx')).not.toThrow();
    expect(() => checkExternalFiles(model, sizes(159), 'my.onnx')).toThrow(
      'my.onnx: reads w.bin up to byte 160, but it has 159',
    );
    expect(() => checkExternalFiles(model, new Map(), 'my.onnx')).toThrow(
      'my.onnx: keeps weights in w.bin, which is not beside it',
    );
  });
});

test('a name within a message within a message is found', () => {
  // The writer of these tests is right, then.
  expect([...message((file) => within(file, 1, (inner) => inner.tag(2, 0).int64(3)))]).toEqual([
    10, 2, 16, 3,
  ]);
});
