import { gradientOutput } from '../../../core/model/chain/backbone-stages.ts';
import type { ChainConfig } from '../../../core/model/chain/chain-plan.ts';
import {
  correctOutput,
  dropoutMaskInput,
  LABELS,
  lossOutput,
  runningOutput,
  type TrainedHead,
  tapGradient,
  tapInput,
  trainedHeads,
} from '../../../core/model/chain/head-stage.ts';
import { headSpecs, runningSpecs } from '../../../core/model/head.ts';
import type { TensorSpec } from '../../../core/model/tensor-spec.ts';
import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';
import type { ChainState } from './chain-state.ts';
import { runWithResults, type Tensors } from './run-stage.ts';

/** Sums over a step's pixels, by a head's name in a log. */
export type HeadSums = Record<string, { loss: number; correct: number }>;

export interface HeadParts {
  config: ChainConfig;
  /** Of `headStageGraph`. */
  session: Session;
  state: ChainState;
  /** Tensors that the graph reads besides the heads': the last norm's. */
  normSpecs: TensorSpec[];
  /** Parameters whose gradients the graph gives. */
  trained: TensorSpec[];
  /** For each tap that has a gradient, where it goes. */
  tapGradients: Map<number, DeviceTensor>;
  memory: Session;
}

/** The last stage, on a whole step: losses and gradients at once. */
export class HeadStage implements Disposable {
  readonly #parts: HeadParts;
  readonly #heads: TrainedHead[];
  readonly #labels: DeviceTensor;
  readonly #masks = new Map<string, DeviceTensor>();
  readonly #running = new Map<string, DeviceTensor>();
  /** By parameter, after a run. */
  readonly gradients = new Map<string, DeviceTensor>();

  constructor(parts: HeadParts) {
    const { config, memory, trained } = parts;
    const { model, train } = config;
    const size = model.backbone.imageSizePx;
    this.#parts = parts;
    this.#heads = trainedHeads(model, train);
    this.#labels = memory.allocate('uint8', [train.batch, size, size]);
    if (train.dropout > 0)
      for (const head of this.#heads)
        this.#masks.set(
          dropoutMaskInput(head),
          memory.allocate('float32', [train.batch, head.channels, 1, 1]),
        );
    for (const { name, shape } of runningSpecs(model))
      this.#running.set(name, memory.allocate('float32', shape));
    for (const { name, shape } of trained) this.gradients.set(name, memory.allocate('float32', shape));
  }

  /** @param masks dropout masks `[B, channels]`, by the name of the input */
  load(labels: Uint8Array, masks: Record<string, Float32Array>): void {
    copyIn('uint8', labels, this.#labels);
    for (const [name, mask] of this.#masks) copyIn('float32', masks[name]!, mask);
  }

  /**
   * Computes losses, gradients, and running statistics, which `keepStatistics` makes the state's.
   *
   * @param taps in the order of the model's taps
   */
  run(taps: DeviceTensor[]): HeadSums {
    const { config, session, state, normSpecs, tapGradients } = this.#parts;
    const inputs: Tensors = { [LABELS]: this.#labels, ...Object.fromEntries(this.#masks) };
    for (const [tap, tensor] of taps.entries()) inputs[tapInput(tap)] = tensor;
    const names = [...headSpecs(config.model), ...normSpecs].map(({ name }) => name);
    for (const [i, tensor] of state.stage('head', names).entries()) inputs[names[i]!] = tensor;
    const outputs: Tensors = {};
    for (const [name, tensor] of this.gradients) outputs[gradientOutput(name)] = tensor;
    for (const [name, tensor] of this.#running) outputs[runningOutput(name)] = tensor;
    for (const [tap, tensor] of tapGradients) outputs[tapGradient(tap)] = tensor;
    const onHost = this.#heads.flatMap((head) => [lossOutput(head), correctOutput(head)]);
    const found = runWithResults(session, inputs, outputs, onHost);
    return Object.fromEntries(
      this.#heads.map((head) => [
        head.name,
        { loss: sum(found[lossOutput(head)]!), correct: sum(found[correctOutput(head)]!) },
      ]),
    );
  }

  keepStatistics(): void {
    const { state } = this.#parts;
    for (const [name, tensor] of this.#running) copyTensors([tensor], [state.get(name).value]);
  }

  [Symbol.dispose](): void {
    for (const tensors of [this.#masks, this.#running, this.gradients])
      for (const tensor of tensors.values()) tensor[Symbol.dispose]();
    this.#labels[Symbol.dispose]();
  }
}

/** Copies an array into a tensor of its size. */
export function copyIn(
  dtype: 'float32' | 'uint8' | 'bfloat16',
  array: Float32Array | Uint8Array | Uint16Array,
  to: DeviceTensor,
): void {
  using from = DeviceTensor.over(dtype, array, to.dims);
  copyTensors([from], [to]);
}

function sum(parts: Float32Array): number {
  return parts.reduce((total, part) => total + part, 0);
}
