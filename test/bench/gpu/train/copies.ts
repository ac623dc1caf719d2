import { setImmediate } from 'node:timers/promises';
import { copyTensors } from '../../../../activities/onnx/c-api/copy-tensors.ts';
import { DeviceTensor, shapeArguments } from '../../../../activities/onnx/c-api/device-tensor.ts';
import { get } from '../../../../activities/onnx/c-api/ort-api.ts';
import { Session } from '../../../../activities/onnx/c-api/session.ts';
import { Parts } from '../../../../activities/train/chain/run-stage.ts';
import type { DType } from '../../../../core/config/manifests.ts';
import { planChain } from '../../../../core/model/chain/chain-plan.ts';
import { addGraph } from '../../../../core/onnx/add.ts';
import { ELEMENT_TYPE } from '../../../../core/onnx/element-types.ts';
import { median } from '../../bench-report.ts';
import { attempt, gb } from '../figures.ts';
import type { Bench } from '../phase.ts';
import { FEW_SHOT, HEAD_TUNING, trainingConfig } from './training-config.ts';

interface Tensor {
  dtype: DType;
  dims: number[];
}

interface Copy {
  what: string;
  tensors: Tensor[];
  isUp: boolean;
  isPinned: boolean;
}

/** Copies between host and device as training makes them: from and to pageable memory, and the same with pinned memory. */
export async function copyRates(bench: Bench): Promise<void> {
  const { device, passes, record } = bench;
  using session = await Session.open(addGraph('float32'), { device, threads: 1, memoryPattern: false });
  const seconds = new Map<string, number>();
  for (const copy of await copiesOf(bench))
    for (const isPinned of device === 'cpu' ? [false] : [false, true]) {
      const what = `${copy.what}, ${copy.isUp ? 'up' : 'down'}, ${isPinned ? 'pinned' : 'pageable'}`;
      await attempt(bench, what, async () => {
        const { bytes, first, rest } = timeCopy(session, { ...copy, isPinned }, passes);
        if (!isPinned) seconds.set(copy.what, rest);
        record(
          { what, bytes, firstSeconds: first, seconds: rest, gbPerSecond: bytes / rest / 1e9 },
          `${what}: ${gb(bytes)} at ${(bytes / rest / 1e9).toFixed(1)} GB/s; the first time ${(bytes / first / 1e9).toFixed(1)}`,
        );
        await setImmediate();
      });
    }
  const [weights, gradients] = [seconds.get(WEIGHTS), seconds.get(GRADIENTS)];
  if (weights === undefined || gradients === undefined) return;
  const { depth } = (await trainingConfig(bench, FEW_SHOT)).model.backbone;
  const perStep = depth * (2 * weights + gradients);
  record(
    { hostStateCopySeconds: perStep, blocks: depth },
    `state on the host: ${perStep.toFixed(2)} s of copies a step of ${depth} blocks, weights up twice and gradients down`,
  );
}

const WEIGHTS = "a block's weights";
const GRADIENTS = "a block's gradients";

async function copiesOf(bench: Bench): Promise<Omit<Copy, 'isPinned'>[]> {
  const config = await trainingConfig(bench, FEW_SHOT);
  const heads = await trainingConfig(bench, HEAD_TUNING);
  const { specs, dtype } = planChain(config);
  const inputs = ({ train, ...rest }: typeof config) =>
    planChain({ ...rest, train }).inputs.map(({ shape }) => ({
      dtype: 'float32' as const,
      dims: [train.batch, ...shape],
    }));
  const { imageSizePx: size } = config.model.backbone;
  const labels = { dtype: 'uint8' as const, dims: [config.train.batch, size, size] };
  const block = (type: DType) => specs.block.map(({ shape }) => ({ dtype: type, dims: shape }));
  return [
    { what: "a step's images and labels", tensors: [...inputs(config), labels], isUp: true },
    { what: "UperNet's features of a step", tensors: inputs(heads), isUp: true },
    { what: WEIGHTS, tensors: block(dtype), isUp: true },
    { what: GRADIENTS, tensors: block('float32'), isUp: false },
  ];
}

function timeCopy(session: Session, { tensors, isUp, isPinned }: Copy, passes: number) {
  using parts = new Parts();
  const host = tensors.map(({ dtype, dims }) =>
    parts.add(isPinned ? pinned(session, dtype, dims) : touched(DeviceTensor.onHost(dtype, dims))),
  );
  const device = tensors.map(({ dtype, dims }) => parts.add(session.allocate(dtype, dims)));
  const seconds: number[] = [];
  for (let pass = 0; pass <= passes; pass++) {
    const start = performance.now();
    if (isUp) copyTensors(host, device);
    else copyTensors(device, host);
    seconds.push((performance.now() - start) / 1000);
  }
  const bytes = host.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { bytes, first: seconds[0]!, rest: median(seconds.slice(1)) };
}

/** Zeros that nobody has written are all one page. */
function touched(tensor: DeviceTensor): DeviceTensor {
  const { buffer, byteOffset, byteLength } = tensor.data;
  new Uint8Array(buffer, byteOffset, byteLength).fill(1);
  return tensor;
}

const ARENA = 1;
const CPU_OUTPUT = -1;
const FIRST_DEVICE = 0;

/** In memory of the host that the GPU reads by itself. The product has none of it: what it would win is measured here. */
function pinned(session: Session, dtype: DType, dims: number[]): DeviceTensor {
  const memory = get('CreateMemoryInfo', 'CudaPinned', ARENA, FIRST_DEVICE, CPU_OUTPUT);
  const allocator = get('CreateAllocator', session.pointer, memory);
  const pointer = get('CreateTensorAsOrtValue', allocator, ...shapeArguments(dims), ELEMENT_TYPE[dtype]);
  return new DeviceTensor(pointer, { device: 'cpu', dtype, dims, array: null }, session);
}
