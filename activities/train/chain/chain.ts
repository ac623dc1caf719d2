import {
  type ChainConfig,
  type ChainPlan,
  chainSpecs,
  dtypeOf,
  planChain,
} from '../../../core/model/chain/chain-plan.ts';
import { headStageOf } from '../../../core/model/chain/head-stage.ts';
import { type AdamWFactors, FACTORS } from '../../../core/onnx/adamw.ts';
import { addGraph } from '../../../core/onnx/add.ts';
import { isTrained } from '../../../core/train/trainable.ts';
import type { DeviceTensor } from '../../onnx/c-api/device-tensor.ts';
import { type DeviceSessionOptions, Session } from '../../onnx/c-api/session.ts';
import { SHARES_ARENA, SharedArena } from '../../onnx/c-api/shared-arena.ts';
import { BackboneChain } from './backbone-chain.ts';
import { ChainState } from './chain-state.ts';
import { HeadStage, type HeadSums } from './head-stage.ts';
import { HostGradients, openOptimizers } from './optimizer.ts';
import { RowTensor } from './row-tensor.ts';
import { openStages } from './stage-sessions.ts';
import { StretchInputs, TapGradients } from './stretch-inputs.ts';

export interface ChainOptions {
  config: ChainConfig;
  /** Threads of one operator; 0: one for each core. */
  threads: number;
  /** Options of the CUDA provider, such as `use_tf32`. */
  cuda?: Record<string, string>;
  /** Tensors that graphs are built with, and nothing changes. */
  constants?: ReadonlyMap<string, Float32Array>;
  observer?: ChainObserver;
}

/** Sees a step's values, which are valid during the call: for comparisons. */
export interface ChainObserver {
  /** Output of a block (−1: the embedding), once it is forward; and the gradient of the loss with respect to it. */
  tokens?(kind: 'value' | 'gradient', block: number, tokens: DeviceTensor): void;
  /** Of a parameter, before its update. */
  gradient?(name: string, gradient: DeviceTensor): void;
}

/** Input of one step. */
export interface ChainStep {
  /** What the frozen stretch gives, in the order of `ChainPlan.inputs`, each of the whole step. */
  inputs: Float32Array[];
  /** `[B, S, S]` */
  labels: Uint8Array;
  /** `[depth, 2, B]`, as `dropPathMultipliers` gives them; null without drop path. */
  dropPath: Float32Array | null;
  /** Dropout masks `[B, channels]`, by the name of the head stage's input. */
  dropoutMasks: Record<string, Float32Array>;
  /** By parameter. */
  factors: Record<string, AdamWFactors>;
}

/** Result of one step. A step that diverged has changed nothing. */
export interface ChainStepped {
  sums: HeadSums;
  isSound: boolean;
  /** Forward to the head; the head, and back; the optimizer. */
  seconds: { forward: number; backward: number; optimizer: number };
}

/** A training's graphs and state on one device. Its calls block: it has a thread of its own. */
export interface Chain extends Disposable {
  readonly state: ChainState;
  step(step: ChainStep): ChainStepped;
}

/**
 * Opens a model as a chain of stages. Its state is zeros until it is put.
 *
 * @throws BadInput if the device does not exist, OutOfMemory if the training does not fit
 * @see docs/decisions/0018-chain-of-stages.md
 */
export async function openChain(options: ChainOptions): Promise<Chain> {
  const { config, threads, cuda = {}, constants = new Map(), observer = {} } = options;
  const { model, train, run } = config;
  const plan = planChain(config);
  const specs = chainSpecs(config, plan);
  const trained = specs.filter(({ name }) => isTrained(config, name));
  // As torch does by default: convolutions of heads may round to TF32, float32 that was asked for may not.
  const tf32 = { use_tf32: run.precision === 'float32' ? '0' : '1' };
  const settings: DeviceSessionOptions = {
    device: run.device,
    threads,
    memoryPattern: false,
    ...(run.device === 'cuda' ? { entries: SHARES_ARENA } : {}),
    cuda: { ...tf32, ...cuda },
  };

  const open: Disposable[] = [];
  const keep = <T extends Disposable>(opened: T): T => {
    open.push(opened);
    return opened;
  };
  const dispose = () => {
    for (const opened of open.splice(0).reverse()) opened[Symbol.dispose]();
  };
  const session = async (graph: Uint8Array, options: DeviceSessionOptions) =>
    keep(await Session.open(graph, options));

  try {
    if (run.device === 'cuda') keep(new SharedArena());
    const isOnHost = run.state === 'host';
    const isRounded = plan.dtype !== 'float32';
    const memory = await session(addGraph('float32'), settings);
    const addTokens = isRounded ? await session(addGraph(plan.dtype), settings) : memory;
    const optimizers = await openOptimizers(config, plan, isOnHost ? { device: 'cpu', threads } : settings);
    keep(optimizers);

    const state = keep(
      new ChainState(memory, optimizers.plain, {
        specs,
        isTrained: (name) => isTrained(config, name),
        dtypeOf: dtypeOf(config, plan),
        isOnHost,
      }),
    );
    const factors = keep(new RowTensor(optimizers.plain, trained.length, FACTORS.length));
    const gradientsAt = isOnHost ? keep(new HostGradients()) : null;
    const { depth } = model.backbone;
    const hasDropPath = plan.stages.length > 0 && train.dropPathRate > 0;
    const dropPath = hasDropPath ? keep(new RowTensor(memory, depth * 2 * plan.groups, plan.group)) : null;

    const sessions = keep(await openStages(config, plan, settings, constants));
    const add = { float32: memory, tokens: addTokens };
    const backbone =
      plan.stages.length > 0
        ? keep(new BackboneChain({ config, plan, sessions, add, state, dropPath, memory }))
        : null;
    const inputs = keep(new StretchInputs(config, plan, memory, backbone));

    const stage = headStageOf(config, plan);
    const tapGradients = keep(new TapGradients(config, plan, memory, backbone));
    const head = keep(
      await HeadStage.open({ config, stage, state, tapGradients: tapGradients.byTap, memory }, settings),
    );

    const parts = { plan, inputs, head, backbone, tapGradients, factors, dropPath, observer };
    const rowOf = new Map(trained.map(({ name }, row) => [name, row]));
    const update = (name: string, gradient: DeviceTensor) => {
      const tensor = state.get(name);
      using row = factors.row(rowOf.get(name)!);
      optimizers.update(tensor, gradientsAt?.copyOf(gradient) ?? gradient, row);
    };
    const order = trained.map(({ name }) => name);
    const step = (given: ChainStep) => takeStep(parts, given, order, update);
    return { state, step, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** What a step works with. */
interface StepParts {
  plan: ChainPlan;
  inputs: StretchInputs;
  head: HeadStage;
  backbone: BackboneChain | null;
  tapGradients: TapGradients;
  factors: RowTensor;
  dropPath: RowTensor | null;
  observer: ChainObserver;
}

/**
 * One optimizer step: forward to the head, the head's losses and gradients, and back; behind each stage its parameters are
 * updated.
 *
 * @param order of the parameters' factors
 */
function takeStep(
  { plan, inputs, head, backbone, tapGradients, factors, dropPath, observer }: StepParts,
  given: ChainStep,
  order: string[],
  update: (name: string, gradient: DeviceTensor) => void,
): ChainStepped {
  const began = performance.now();
  inputs.load(given.inputs);
  head.load(given.labels, given.dropoutMasks);
  factors.set(order.flatMap((name) => FACTORS.map((factor) => given.factors[name]![factor])));
  dropPath?.set(given.dropPath!);
  backbone?.forward();
  for (const { block } of plan.stages) observer.tokens?.('value', block, backbone!.output(block));
  const forward = performance.now();

  const sums = head.run(inputs.taps());
  // Known before anything is changed.
  const isSound = Object.values(sums).every(({ loss }) => Number.isFinite(loss));
  let optimizing = 0;
  const updateAll = (gradients: Map<string, DeviceTensor>) => {
    const start = performance.now();
    for (const [name, gradient] of gradients) {
      observer.gradient?.(name, gradient);
      update(name, gradient);
    }
    optimizing += performance.now() - start;
  };
  if (isSound) {
    head.keepStatistics();
    head.backward(updateAll);
    backbone?.backward(tapGradients.byBlock, updateAll, (block, gradient) =>
      observer.tokens?.('gradient', block, gradient),
    );
  }
  const seconds = {
    forward: (forward - began) / 1000,
    backward: (performance.now() - forward - optimizing) / 1000,
    optimizer: optimizing / 1000,
  };
  return { sums, isSound, seconds };
}
