import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import {
  DROP_PATH,
  gradientOutput,
  TOKENS_IN,
  TOKENS_IN_GRAD,
  TOKENS_OUT,
  TOKENS_OUT_GRAD,
  tokensShape,
} from '../../../core/model/chain/backbone-stages.ts';
import type { ChainConfig, ChainPlan, PlannedStage } from '../../../core/model/chain/chain-plan.ts';
import { IMAGES } from '../../../core/model/features-graph.ts';
import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';
import type { ChainState } from './chain-state.ts';
import { PassingTensors } from './passing-tensors.ts';
import type { RowTensor } from './row-tensor.ts';
import { Parts, runStage, type Tensors } from './run-stage.ts';
import type { StageSessions } from './stage-sessions.ts';

/** What a trained stretch works with. */
export interface BackboneParts {
  config: ChainConfig;
  plan: ChainPlan;
  sessions: StageSessions;
  /** Adds two vectors: of float32, and of the tokens' type. */
  add: { float32: Session; tokens: Session };
  state: ChainState;
  /** Multipliers of the branches, a row for each group of each branch of each block; null without drop path. */
  dropPath: RowTensor | null;
  memory: Session;
}

/** A stage on its way back, all groups of it. */
interface BackwardPass {
  index: number;
  /** The stage's own. */
  tensors: DeviceTensor[];
  outputGrad: DeviceTensor;
  inputGrad: DeviceTensor;
}

/** Called behind a stage's backward pass: with the gradients of its trained tensors, summed over the step. */
export type OnGradients = (gradients: Map<string, DeviceTensor>) => void;

/**
 * The trained stages of a backbone, layer by layer: all groups of a step pass a stage before the next one, forward and
 * back, so that a stage's parameters are read once a direction. What passes between the stages is kept; the inside of a
 * stage is computed again.
 */
export class BackboneChain implements Disposable {
  readonly #parts: BackboneParts;
  /** Input of the lowest stage, and the output of each: `[B · N, C]`, or the images. Gradients take their places. */
  readonly #tokens: DeviceTensor[];
  /** Gradients of a stage's tensors. */
  readonly #gradients: PassingTensors;
  /** Gradient of the last stage's output: the head stage writes it. */
  readonly outputGrad: DeviceTensor;

  constructor(parts: BackboneParts) {
    const { plan, config, memory } = parts;
    const { stages, inputs, dtype } = plan;
    const { batch } = config.train;
    this.#parts = parts;
    const isImages = inputs[0]!.kind === 'images';
    const shape = tokensShape({ backbone: config.model.backbone, batch });
    const allocate = () => memory.allocate(dtype, shape);
    const input = isImages ? memory.allocate('float32', [batch, ...inputs[0]!.shape]) : allocate();
    this.#tokens = [input, ...stages.map(allocate)];
    this.outputGrad = allocate();
    this.#gradients = new PassingTensors(memory);
  }

  /** Where the step's input goes: images `[B, S, S, 3]` float32, or tokens `[B · N, C]`. */
  get input(): DeviceTensor {
    return this.#tokens[0]!;
  }

  /** Output of a block, or of the embedding (−1): `[B · N, C]`. Valid from `forward` to `backward`. */
  output(block: number): DeviceTensor {
    const { stages } = this.#parts.plan;
    return this.#tokens[1 + block - stages[0]!.block]!;
  }

  forward(): void {
    const { plan, sessions, state } = this.#parts;
    for (const [i, stage] of plan.stages.entries()) {
      const tensors = state.stage(stage.kind, stage.names);
      for (let group = 0; group < plan.groups; group++) {
        using parts = new Parts();
        const inputs = this.#inputs(parts, i, group, tensors);
        runStage(sessions.forward(stage), inputs, {
          [TOKENS_OUT]: this.#group(parts, this.#tokens[i + 1]!, group),
        });
      }
    }
  }

  /**
   * From `outputGrad` down to the lowest trained stage.
   *
   * @param tapGradients gradients of lower blocks' outputs that come from the head, by block
   * @param onGradients called once a stage, from above
   */
  backward(
    tapGradients: Map<number, DeviceTensor>,
    onGradients: OnGradients,
    onTokens?: (block: number, gradient: DeviceTensor) => void,
  ): void {
    const { plan, state } = this.#parts;
    let outputGrad = this.outputGrad;
    for (let i = plan.stages.length - 1; i >= 0; i--) {
      const stage = plan.stages[i]!;
      const tap = tapGradients.get(stage.block);
      if (tap) this.#add('tokens', outputGrad, tap);
      onTokens?.(stage.block, outputGrad);
      // A stage's output isn't read again: the gradient of its input takes the place.
      const inputGrad = this.#tokens[i + 1]!;
      const pass = { index: i, tensors: state.stage(stage.kind, stage.names), outputGrad, inputGrad };
      const gradients = this.#sumOverGroups(pass, 0, plan.groups, 0);
      const trained = plan.specs[stage.kind].flatMap(({ name }, at) =>
        stage.trained[at] ? [[stage.names[at]!, gradients.get(name)!] as const] : [],
      );
      onGradients(new Map(trained));
      outputGrad = inputGrad;
    }
    this.#gradients.release();
  }

  [Symbol.dispose](): void {
    for (const tensor of [...this.#tokens, this.outputGrad]) tensor[Symbol.dispose]();
    this.#gradients[Symbol.dispose]();
  }

  /**
   * The gradients of groups `[from, to)`, summed as a binary tree: the order of the sum depends on nothing but the
   * number of groups.
   */
  #sumOverGroups(pass: BackwardPass, from: number, to: number, level: number): Map<string, DeviceTensor> {
    const sum = this.#gradientsOf(this.#parts.plan.stages[pass.index]!, level);
    if (to - from === 1) {
      this.#backwardGroup(pass, from, sum);
      return sum;
    }
    const middle = from + Math.ceil((to - from) / 2);
    this.#sumOverGroups(pass, from, middle, level);
    const others = this.#sumOverGroups(pass, middle, to, level + 1);
    for (const [name, gradient] of sum) this.#add('float32', gradient, others.get(name)!);
    return sum;
  }

  /**
   * Tensors for a stage's gradients, by the names of its kind.
   *
   * @param level how deep in the sum over the groups
   */
  #gradientsOf({ kind, trained }: PlannedStage, level: number): Map<string, DeviceTensor> {
    const specs = this.#parts.plan.specs[kind].filter((_, i) => trained[i]);
    return new Map(
      specs.map(({ name, shape }) => [name, this.#gradients.get(`${kind} ${level} ${name}`, shape)]),
    );
  }

  #backwardGroup(
    { index, tensors, outputGrad, inputGrad }: BackwardPass,
    group: number,
    gradients: Map<string, DeviceTensor>,
  ): void {
    const { plan, sessions } = this.#parts;
    const stage = plan.stages[index]!;
    using parts = new Parts();
    const session = sessions.backward(stage);
    const all = this.#inputs(parts, index, group, tensors);
    // What a gradient does not depend on, such as the position embedding, is no input of the graph.
    const inputs = Object.fromEntries(Object.entries(all).filter(([name]) => session.inputs.has(name)));
    inputs[TOKENS_OUT_GRAD] = this.#group(parts, outputGrad, group);
    const outputs: Tensors = {};
    if (stage.wantsInput) outputs[TOKENS_IN_GRAD] = this.#group(parts, inputGrad, group);
    for (const [at, { name }] of plan.specs[stage.kind].entries())
      if (stage.trained[at]) outputs[gradientOutput(name)] = gradients.get(name)!;
    runStage(session, inputs, outputs);
  }

  /** Inputs that both directions have: a group of the stage's input, its tensors, and its drop path. */
  #inputs(parts: Parts, index: number, group: number, tensors: DeviceTensor[]): Tensors {
    const { plan, dropPath } = this.#parts;
    const { kind, block } = plan.stages[index]!;
    const input = this.#tokens[index]!;
    const inputs: Tensors = {
      [kind === 'embedding' ? IMAGES : TOKENS_IN]: this.#group(parts, input, group),
    };
    for (const [i, { name }] of plan.specs[kind].entries()) inputs[name] = tensors[i]!;
    if (dropPath && kind === 'block')
      for (const [branch, name] of [DROP_PATH.attention, DROP_PATH.mlp].entries())
        inputs[name] = parts.add(dropPath.row((block * 2 + branch) * plan.groups + group));
    return inputs;
  }

  /** A group's crops of a tensor of the step. */
  #group(parts: Parts, whole: DeviceTensor, group: number): DeviceTensor {
    const { groups } = this.#parts.plan;
    const [rows, ...rest] = whole.dims as [number, ...number[]];
    const dims = [rows / groups, ...rest];
    return parts.of(whole, group * elementCount(dims), dims);
  }

  #add(type: 'float32' | 'tokens', to: DeviceTensor, other: DeviceTensor): void {
    using parts = new Parts();
    const count = [elementCount(to.dims)];
    const sum = parts.of(to, 0, count);
    runStage(this.#parts.add[type], { a: sum, b: parts.of(other, 0, count) }, { sum });
  }
}
