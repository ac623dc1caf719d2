import { elementCount } from '../../core/checkpoint/dtypes.ts';
import { gridSide } from '../../core/model/backbone.ts';
import { parameterSpecs, runningSpecs } from '../../core/model/head.ts';
import {
  correctOutput,
  gradientOutput,
  LABELS,
  lossOutput,
  runningOutput,
  tapInput,
  trainedHeads,
  trainingGraph,
} from '../../core/model/training-graph.ts';
import { adamwGraph } from '../../core/onnx/adamw.ts';
import type { InferenceSession, Tensor } from '../onnx/runtime.ts';
import { openSession, runSession, tensor } from '../onnx/session.ts';
import { serveThread, threadData } from '../serve-thread.ts';
import type { Moved } from '../thread-messages.ts';
import {
  buffersOf,
  type HeadExchange,
  type HeadStep,
  type HeadStepped,
  type HeadSums,
  type MovingTensor,
} from './head-protocol.ts';

/*
 * The training thread: one session for losses and gradients, one for the optimizer. ONNX Runtime's binding cannot
 * leave values on a device between runs, so parameters and moments stay in host memory. They are inputs of each run,
 * and the optimizer updates them in place on the CPU, in pieces (docs/decisions/0011).
 */

/** Elements per optimizer run: small enough for the cache, large enough for two threads. */
const PIECE = 131_072;

const { config, threads } = threadData<HeadExchange>();
const { model, train, run } = config;
const parameters = parameterSpecs(model);
const statistics = runningSpecs(model);
const heads = trainedHeads(model, train);

serveThread<HeadExchange>(async () => {
  const options = { device: run.device, threads };
  const session = await openSession(trainingGraph(config), { ...options, memoryPattern: false });
  const optimizer = await openSession(adamwGraph(train.optimizer), { device: 'cpu', threads });
  const gradients = new Map(
    parameters.map(({ name, shape }) => [name, tensor(new Float32Array(elementCount(shape)), shape)]),
  );
  return {
    ready: undefined,
    ask: (message) => step(session, optimizer, gradients, message),
    async close() {
      await session.release();
      await optimizer.release();
    },
  };
});

async function step(
  session: InferenceSession,
  optimizer: InferenceSession,
  gradients: Map<string, Tensor>,
  message: HeadStep,
): Promise<Moved<HeadStepped>> {
  const { tensors } = message;
  const byName = new Map(tensors.map((moving) => [moving.name, moving]));
  const started = performance.now();
  const outputs = await runSession(session, feeds(message), run.device, {
    ...Object.fromEntries(parameters.map(({ name }) => [gradientOutput(name), gradients.get(name)!])),
    ...Object.fromEntries(
      [...heads.flatMap((head) => [lossOutput(head), correctOutput(head)]), ...statistics.map(next)].map(
        (name) => [name, null],
      ),
    ),
  });
  const computed = performance.now();
  const sums: HeadSums = Object.fromEntries(
    heads.map((head) => [
      head.name,
      { loss: sum(outputs[lossOutput(head)]!), correct: sum(outputs[correctOutput(head)]!) },
    ]),
  );
  const isSound = Object.values(sums).every(({ loss }) => Number.isFinite(loss));
  if (isSound) {
    for (const { name } of statistics)
      byName.get(name)!.data.set(outputs[next({ name })]!.data as Float32Array);
    for (const { name } of parameters)
      await update(optimizer, byName.get(name)!, gradients.get(name)!, message);
  }
  const seconds = {
    graph: (computed - started) / 1000,
    optimizer: (performance.now() - computed) / 1000,
  };
  return { value: { tensors, sums, isSound, seconds }, transfer: buffersOf(tensors) };
}

function feeds({ tensors, features, labels, dropoutMasks }: HeadStep): Record<string, Tensor> {
  const { batch } = train;
  const { imageSizePx: size, embedDim } = model.backbone;
  const grid = gridSide(model.backbone);
  return {
    [LABELS]: tensor(labels, [batch, size, size]),
    ...Object.fromEntries(
      features.map((data, tap) => [tapInput(tap), tensor(data, [batch, embedDim, grid, grid])]),
    ),
    ...Object.fromEntries(
      Object.entries(dropoutMasks).map(([name, data]) => [
        name,
        tensor(data, [batch, data.length / batch, 1, 1]),
      ]),
    ),
    ...Object.fromEntries(tensors.map(({ name, shape, data }) => [name, tensor(data, shape)])),
  };
}

/** One optimizer step of one parameter, in place. */
async function update(
  optimizer: InferenceSession,
  { name, data, first, second }: MovingTensor,
  gradient: Tensor,
  { factors }: HeadStep,
): Promise<void> {
  const scalars = Object.entries(factors[name]!).map(([key, value]) => [
    key,
    tensor(Float32Array.of(value), []),
  ]);
  for (let start = 0; start < data.length; start += PIECE) {
    const piece = (whole: Float32Array) => {
      const part = whole.subarray(start, start + PIECE);
      return tensor(part, [part.length]);
    };
    const state = { parameter: piece(data), first: piece(first!), second: piece(second!) };
    await optimizer.run(
      { ...state, gradient: piece(gradient.data as Float32Array), ...Object.fromEntries(scalars) },
      { 'next parameter': state.parameter, 'next first': state.first, 'next second': state.second },
    );
  }
}

function next({ name }: { name: string }): string {
  return runningOutput(name);
}

function sum({ data }: Tensor): number {
  return (data as Float32Array).reduce((total, part) => total + part, 0);
}
