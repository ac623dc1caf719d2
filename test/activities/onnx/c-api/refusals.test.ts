import { expect, test } from 'vitest';
import { copyTensors } from '../../../../activities/onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../../../activities/onnx/c-api/device-tensor.ts';
import { Session } from '../../../../activities/onnx/c-api/session.ts';
import { GraphBuilder } from '../../../../core/onnx/graph.ts';

const CPU = { device: 'cpu', threads: 1 } as const;

/** y = x · x, of any number of rows of three. */
function openSquared(): Promise<Session> {
  const graph = new GraphBuilder('squared');
  const x = graph.input('x', 'float32', ['n', 3]);
  graph.output(graph.node('Mul', [x, x], {}, 'y'), 'float32', ['n', 3]);
  return Session.open(graph.toBytes(), CPU);
}

test('an array of another type or length than the tensor’s is refused', () => {
  expect(() => DeviceTensor.over('float32', new Float32Array(5), [2, 3])).toThrow(
    'Float32Array of 5 elements given for a tensor float32 [2, 3]; expected Float32Array of 6',
  );
  const halves = new Float32Array(6) as unknown as Uint16Array;
  expect(() => DeviceTensor.over('bfloat16', halves, [2, 3])).toThrow(
    'Float32Array of 6 elements given for a tensor bfloat16 [2, 3]; expected Uint16Array of 6',
  );
  expect(() => DeviceTensor.over('float32', new Float32Array(6), [-2, -3])).toThrow(
    '[-2, -3] is not a shape',
  );
});

test('a part that does not lie within its whole is refused, and a shape of another size', () => {
  using whole = DeviceTensor.over('float32', new Float32Array(6), [2, 3]);
  for (const first of [-1, 4, 0.5]) expect(() => whole.part(first, [3])).toThrow(RangeError);
  expect(() => whole.part(4, [3])).toThrow(
    'elements 4 to 7 are asked of a tensor float32 [2, 3], which has 6',
  );
  expect(() => whole.reshaped([7])).toThrow(
    '[7] has another number of elements than a tensor float32 [2, 3]',
  );
});

test('what the model does not declare is refused when it is bound, and nothing is bound then', async () => {
  using session = await openSquared();
  using wide = DeviceTensor.over('float32', new Float32Array(4), [1, 4]);
  using whole = DeviceTensor.over('int32', new Int32Array(3), [1, 3]);
  using fitting = DeviceTensor.over('float32', new Float32Array(3), [1, 3]);
  using binding = session.bind();
  expect(() => binding.input('z', fitting)).toThrow('the model has no input z; expected one of x');
  expect(() => binding.output('z', 'cpu')).toThrow('the model has no output z; expected one of y');
  expect(() => binding.input('x', wide)).toThrow(
    'input x is given a tensor float32 [1, 4]; expected float32 [?, 3]',
  );
  expect(() => binding.output('y', whole)).toThrow(
    'output y is given a tensor int32 [1, 3]; expected float32 [?, 3]',
  );
});

test('an output tensor of another number of rows than the run gives is an error', async () => {
  using session = await openSquared();
  using x = DeviceTensor.over('float32', new Float32Array(6), [2, 3]);
  using y = DeviceTensor.over('float32', new Float32Array(3), [1, 3]);
  using binding = session.bind().input('x', x).output('y', y);
  expect(() => binding.run()).toThrow(/shape/i);
});

test('an input that is not bound is an error', async () => {
  using session = await openSquared();
  using binding = session.bind().output('y', 'cpu');
  expect(() => binding.run()).toThrow(/x/);
});

test('nothing is disposed of while something else uses it, or used after its disposal', async () => {
  const session = await openSquared();
  const x = DeviceTensor.over('float32', new Float32Array(6), [2, 3]);
  const row = x.part(3, [1, 3]);
  const binding = session.bind().input('x', row).output('y', 'cpu');
  expect(() => session[Symbol.dispose]()).toThrow('a Session is disposed of while 1 others use it');
  expect(() => row[Symbol.dispose]()).toThrow('a DeviceTensor is disposed of while 1 others use it');
  // Bound in its place, the other one sets it free.
  binding.input('x', x);
  row[Symbol.dispose]();
  expect(() => x[Symbol.dispose]()).toThrow(/others use it/);
  for (const one of [binding, x, session]) one[Symbol.dispose]();
  expect(() => binding.run()).toThrow('a Binding is used after its disposal');
  expect(() => x.data).toThrow('a DeviceTensor is used after its disposal');
  expect(() => session.bind()).toThrow('a Session is used after its disposal');
  // Again is no error.
  session[Symbol.dispose]();
});

test('an array whose buffer was transferred is refused before the run', async () => {
  using session = await openSquared();
  using x = DeviceTensor.over('float32', new Float32Array(3), [1, 3]);
  using binding = session.bind().input('x', x).output('y', 'cpu');
  structuredClone(x.data.buffer, { transfer: [x.data.buffer as ArrayBuffer] });
  expect(() => binding.run()).toThrow(
    'the array of a tensor float32 [1, 3] was transferred or resized while it is in use',
  );
});

test('tensors of another type or size are not copied into each other', () => {
  using three = DeviceTensor.over('float32', new Float32Array(3), [3]);
  using four = DeviceTensor.over('float32', new Float32Array(4), [4]);
  using whole = DeviceTensor.over('int32', new Int32Array(3), [3]);
  expect(() => copyTensors([three], [four])).toThrow(
    'a tensor float32 [3] is to be copied into one of float32 [4]; expected the same type and size',
  );
  expect(() => copyTensors([three], [whole])).toThrow(TypeError);
  expect(() => copyTensors([three], [])).toThrow('1 tensors are to be copied into 0; expected as many');
});

test('tensors on the host are copied, parts too', () => {
  using from = DeviceTensor.over('bfloat16', Uint16Array.of(1, 2, 3, 4), [4]);
  using to = DeviceTensor.over('bfloat16', new Uint16Array(4), [2, 2]);
  using last = from.part(2, [2]);
  using second = to.part(2, [2]);
  copyTensors([last], [second]);
  expect([...to.data]).toEqual([0, 0, 3, 4]);
});

test('a model that is none is an error with ONNX Runtime’s words', async () => {
  await expect(Session.open(new Uint8Array(10).fill(7), CPU)).rejects.toThrow(/protobuf/i);
  await expect(Session.open('no-such.onnx', CPU)).rejects.toThrow(/no-such\.onnx/);
});

test('CUDA where there is none is BadInput, which says what to do', async () => {
  const graph = new GraphBuilder('same');
  const x = graph.input('x', 'float32', [1]);
  graph.output(graph.node('Identity', [x], {}, 'y'), 'float32', [1]);
  await expect(Session.open(graph.toBytes(), { device: 'cuda', threads: 1 })).rejects.toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringMatching(
      /^run\.device is cuda, but CUDA is not available here: .* set run\.device=cpu/s,
    ),
  });
});
