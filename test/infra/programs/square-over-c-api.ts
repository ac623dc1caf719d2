import { DeviceTensor } from '../../../activities/onnx/c-api/device-tensor.ts';
import { Session } from '../../../activities/onnx/c-api/session.ts';
import { GraphBuilder } from '../../../core/onnx/graph.ts';

/** Squares of 2 and 3, over ONNX Runtime's C API. */
export async function squareOverCApi(): Promise<string> {
  const graph = new GraphBuilder('squared');
  const x = graph.input('x', 'float32', [2]);
  graph.output(graph.node('Mul', [x, x], {}, 'y'), 'float32', [2]);
  using session = await Session.open(graph.toBytes(), { device: 'cpu', threads: 2 });
  using input = DeviceTensor.over('float32', Float32Array.of(2, 3), [2]);
  using output = DeviceTensor.onHost('float32', [2]);
  using binding = session.bind().input('x', input).output('y', output);
  binding.run();
  return output.data.join(' ');
}
