import { gradientOutput } from '../../../core/model/chain/backbone-stages.ts';
import type { ChainConfig } from '../../../core/model/chain/chain-plan.ts';
import { headGraphs } from '../../../core/model/chain/head-levels.ts';
import {
  correctOutput,
  dropoutMaskInput,
  type HeadStageOptions,
  LABELS,
  levelGradient,
  levelOf,
  lossOutput,
  runningOutput,
  type TrainedHead,
  tapGradient,
  tapInput,
  trainedHeads,
} from '../../../core/model/chain/head-stage.ts';
import { headSpecs, runningSpecs } from '../../../core/model/head.ts';
import { copyTensors } from '../../onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import { type DeviceSessionOptions, Session } from '../../onnx/c-api/session.ts';
import type { OnGradients } from './backbone-chain.ts';
import type { ChainState } from './chain-state.ts';
import { PassingTensors } from './passing-tensors.ts';
import { runWithResults, type Tensors } from './run-stage.ts';

/** Sums over a step's pixels, by a head's name in a log. */
export type HeadSums = Record<string, { loss: number; correct: number }>;

/** Sessions of a head that is one stage, or of its levels and what is above them. */
interface HeadSessions {
  levels: { shapes: number[][]; forward: Session; backward: Session } | null;
  top: Session;
}

export interface HeadParts {
  config: ChainConfig;
  stage: HeadStageOptions;
  state: ChainState;
  /** For each tap that has a gradient, where it goes. */
  tapGradients: Map<number, DeviceTensor>;
  memory: Session;
}

/** The heads, on a whole step: `run`, and if its losses are finite `backward`. */
export class HeadStage implements Disposable {
  readonly #parts: HeadParts;
  readonly #sessions: HeadSessions;
  readonly #heads: TrainedHead[];
  readonly #labels: DeviceTensor;
  readonly #masks: Tensors = {};
  readonly #running: Tensors = {};
  readonly #tapGradients: Tensors;
  /** Levels and gradients. */
  readonly #passing: PassingTensors;
  #taps: Tensors = {};

  static async open(parts: HeadParts, options: DeviceSessionOptions): Promise<HeadStage> {
    const open: Session[] = [];
    const session = async (graph: Uint8Array) => {
      const opened = await Session.open(graph, options);
      open.push(opened);
      return opened;
    };
    try {
      const { levels, top } = headGraphs(parts.stage);
      const sessions: HeadSessions = { levels: null, top: await session(top) };
      if (levels) {
        const { shapes, forward, backward } = levels;
        sessions.levels = {
          shapes,
          forward: await session(forward),
          backward: await session(backward),
        };
      }
      return new HeadStage(parts, sessions);
    } catch (error) {
      for (const opened of open) opened[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(parts: HeadParts, sessions: HeadSessions) {
    const { config, memory, tapGradients } = parts;
    const { model, train } = config;
    const size = model.backbone.imageSizePx;
    this.#parts = parts;
    this.#sessions = sessions;
    this.#heads = trainedHeads(model, train);
    this.#labels = memory.allocate('uint8', [train.batch, size, size]);
    if (train.dropout > 0)
      for (const head of this.#heads)
        this.#masks[dropoutMaskInput(head)] = memory.allocate('float32', [train.batch, head.channels, 1, 1]);
    for (const { name, shape } of runningSpecs(model))
      this.#running[runningOutput(name)] = memory.allocate('float32', shape);
    this.#tapGradients = Object.fromEntries(
      [...tapGradients].map(([tap, tensor]) => [tapGradient(tap), tensor]),
    );
    this.#passing = new PassingTensors(memory);
  }

  /** @param masks dropout masks `[B, channels]`, by the name of the input */
  load(labels: Uint8Array, masks: Record<string, Float32Array>): void {
    copyIn('uint8', labels, this.#labels);
    for (const [name, mask] of Object.entries(this.#masks)) copyIn('float32', masks[name]!, mask);
  }

  /**
   * Computes losses, gradients of what is next to them, and running statistics, which `keepStatistics` makes the state's.
   *
   * @param taps in the order of the model's taps
   */
  run(taps: DeviceTensor[]): HeadSums {
    const { levels, top } = this.#sessions;
    this.#taps = Object.fromEntries(taps.map((tensor, tap) => [tapInput(tap), tensor]));
    const inputs = { ...this.#taps, [LABELS]: this.#labels, ...this.#masks };
    if (levels) {
      const outputs = this.#ofLevels(levelOf);
      this.#call(levels.forward, this.#weights(levels.forward, 'levels'), this.#taps, outputs);
      Object.assign(inputs, outputs);
    }
    const gradients = levels ? this.#ofLevels(levelGradient) : this.#tapGradients;
    const outputs = { ...this.#parameterGradients(top), ...gradients };
    const found = this.#call(top, this.#weights(top, 'head'), inputs, outputs);
    return Object.fromEntries(
      this.#heads.map((head) => [
        head.name,
        { loss: sum(found[lossOutput(head)]!), correct: sum(found[correctOutput(head)]!) },
      ]),
    );
  }

  keepStatistics(): void {
    const { state, config } = this.#parts;
    for (const { name } of runningSpecs(config.model))
      copyTensors([this.#running[runningOutput(name)]!], [state.get(name).value]);
  }

  /**
   * Behind `run`: gives out the gradients of the parameters, and computes those of the taps.
   *
   * @param onGradients called once a stage, from above
   */
  backward(onGradients: OnGradients): void {
    const { levels, top } = this.#sessions;
    this.#giveOut(top, onGradients);
    if (levels) {
      const { shapes, forward, backward } = levels;
      this.#passing.release(shapes.map((_, i) => levelOf(i)));
      const inputs = { ...this.#taps, ...this.#ofLevels(levelGradient) };
      const outputs = { ...this.#parameterGradients(backward), ...this.#tapGradients };
      this.#call(backward, this.#weights(forward, 'levels'), inputs, outputs);
      this.#giveOut(backward, onGradients);
    }
    this.#passing.release();
  }

  [Symbol.dispose](): void {
    this.#passing[Symbol.dispose]();
    for (const tensor of [this.#labels, ...Object.values(this.#masks), ...Object.values(this.#running)])
      tensor[Symbol.dispose]();
    const { levels, top } = this.#sessions;
    for (const session of [top, levels?.backward, levels?.forward]) session?.[Symbol.dispose]();
  }

  /** Runs a session on those of the given tensors that it knows. What it gives and has no place for goes to the host. */
  #call(session: Session, weights: Tensors, inputs: Tensors, outputs: Tensors): Record<string, Float32Array> {
    const places = { ...outputs, ...this.#running };
    const given = only(session.outputs, places);
    const onHost = [...session.outputs.keys()].filter((name) => !(name in given));
    return runWithResults(session, only(session.inputs, { ...weights, ...inputs }), given, onHost);
  }

  /** Parameters and running statistics that a session reads, with the last norm's where the backbone trains. */
  #weights({ inputs }: Session, kind: string): Tensors {
    const { config, stage, state } = this.#parts;
    const names = [...headSpecs(config.model), ...stage.taps.specs].flatMap(({ name }) =>
      inputs.has(name) ? [name] : [],
    );
    return Object.fromEntries(state.stage(kind, names).map((tensor, i) => [names[i]!, tensor]));
  }

  #ofLevels(nameOf: (level: number) => string): Tensors {
    const shapes = this.#sessions.levels!.shapes;
    return Object.fromEntries(shapes.map((shape, i) => [nameOf(i), this.#passing.get(nameOf(i), shape)]));
  }

  #parameterGradients({ outputs }: Session): Tensors {
    const own = this.#parts.stage.trained.filter(({ name }) => outputs.has(gradientOutput(name)));
    return Object.fromEntries(
      own.map(({ name, shape }) => {
        const output = gradientOutput(name);
        return [output, this.#passing.get(output, shape)];
      }),
    );
  }

  /** Gives out the gradients that a session has computed. */
  #giveOut(session: Session, onGradients: OnGradients): void {
    const gradients = this.#parameterGradients(session);
    const own = this.#parts.stage.trained.filter(({ name }) => gradientOutput(name) in gradients);
    onGradients(new Map(own.map(({ name }) => [name, gradients[gradientOutput(name)]!])));
    this.#passing.release(Object.keys(gradients));
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

function only(declared: ReadonlyMap<string, unknown>, tensors: Tensors): Tensors {
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => declared.has(name)));
}

function sum(parts: Float32Array): number {
  return parts.reduce((total, part) => total + part, 0);
}
