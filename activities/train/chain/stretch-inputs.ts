import { bfloat16Bits } from '../../../core/model/bfloat16.ts';
import { tokensShape } from '../../../core/model/chain/backbone-stages.ts';
import type { ChainConfig, ChainPlan } from '../../../core/model/chain/chain-plan.ts';
import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import type { Session } from '../../onnx/c-api/session.ts';
import type { BackboneChain } from './backbone-chain.ts';
import { copyIn } from './head-stage.ts';

/** What comes from the frozen stretch, on the device: the lowest stage's input, and taps. */
export class StretchInputs implements Disposable {
  readonly #plan: ChainPlan;
  readonly #taps: number[];
  readonly #backbone: BackboneChain | null;
  /** In the order of `ChainPlan.inputs`; the first is the backbone's own, where it trains. */
  readonly #tensors: DeviceTensor[];

  constructor(config: ChainConfig, plan: ChainPlan, memory: Session, backbone: BackboneChain | null) {
    const { batch } = config.train;
    this.#plan = plan;
    this.#taps = config.model.backbone.taps;
    this.#backbone = backbone;
    this.#tensors = plan.inputs.map(({ kind, shape }, i) => {
      if (backbone && i === 0) return backbone.input;
      if (kind !== 'tokens') return memory.allocate('float32', [batch, ...shape]);
      return memory.allocate(plan.dtype, tokensShape({ backbone: config.model.backbone, batch }));
    });
  }

  load(arrays: Float32Array[]): void {
    for (const [i, tensor] of this.#tensors.entries()) {
      const array = arrays[i]!;
      if (tensor.dtype === 'bfloat16') copyIn('bfloat16', bfloat16Bits(array), tensor);
      else copyIn('float32', array, tensor);
    }
  }

  /** What the head stage sees, in the order of the taps. */
  taps(): DeviceTensor[] {
    const { inputs } = this.#plan;
    if (inputs[0]!.kind === 'feature') return this.#tensors;
    return this.#taps.map((block) => {
      const given = inputs.findIndex((input) => input.kind === 'tokens' && input.block === block);
      return given >= 0 ? this.#tensors[given]! : this.#backbone!.output(block);
    });
  }

  [Symbol.dispose](): void {
    for (const [i, tensor] of this.#tensors.entries()) if (!this.#backbone || i > 0) tensor[Symbol.dispose]();
  }
}

/** Gradients of the taps within the trained stretch: the head stage writes them, the stages add them. */
export class TapGradients implements Disposable {
  readonly byTap = new Map<number, DeviceTensor>();
  /** All but the last block's, whose gradient begins the backward pass. */
  readonly byBlock = new Map<number, DeviceTensor>();

  constructor(
    { model, train }: ChainConfig,
    plan: ChainPlan,
    memory: Session,
    backbone: BackboneChain | null,
  ) {
    if (!backbone) return;
    const { taps } = model.backbone;
    const shape = tokensShape({ backbone: model.backbone, batch: train.batch });
    for (const [tap, block] of taps.entries()) {
      if (!plan.stages.some((stage) => stage.block === block)) continue;
      const isLast = block === plan.stages.at(-1)!.block;
      const tensor = isLast ? backbone.outputGrad : memory.allocate(plan.dtype, shape);
      this.byTap.set(tap, tensor);
      if (!isLast) this.byBlock.set(block, tensor);
    }
  }

  [Symbol.dispose](): void {
    for (const tensor of this.byBlock.values()) tensor[Symbol.dispose]();
  }
}
