import type { StateTensor, StepLog, TrainingState } from '../../core/config/train.ts';
import { IGNORED_LABEL } from '../../core/image/label-map.ts';
import { chainSpecs } from '../../core/model/chain/chain-plan.ts';
import { dropoutMaskInput, type TrainedHead, trainedHeads } from '../../core/model/chain/head-stage.ts';
import { drawsAt } from '../../core/train/draws.ts';
import { dropPathMultipliers } from '../../core/train/drop-path.ts';
import { type ParameterGroup, parameterGroups, stepFactors } from '../../core/train/parameter-groups.ts';
import { learningRate } from '../../core/train/schedule.ts';
import { stateSpecs } from '../../core/train/state-specs.ts';
import { isTrained } from '../../core/train/trainable.ts';
import { Thread } from '../thread.ts';
import type { HeadSums } from './chain/head-stage.ts';
import type { TrainerExchange, TrainerThreadOptions } from './trainer-protocol.ts';

export interface TrainerOptions extends TrainerThreadOptions {
  /** Steps done. */
  step: number;
  /** Reads a tensor of the model that is below what trains: a checkpoint holds it as well. */
  frozen?(name: string): Promise<Float32Array>;
  /** Learning rate of a step (from 0) and a parameter group; default: the config's schedule. */
  learningRate?(step: number, lrScale: number): number;
  /** Multipliers of a step's branches `[depth, 2, B]`; default: drawn as the config says. */
  dropPath?(step: number): Float32Array;
}

/** A step's batch. Buffers are transferred. */
export interface TrainingBatch {
  /** What the frozen stretch gives, in the order of `ChainPlan.inputs`, each of the whole step. */
  features: Float32Array<ArrayBuffer>[];
  /** `[B, S, S]` */
  labels: Uint8Array<ArrayBuffer>;
}

/**
 * Trains a model on a thread of its own, which holds parameters, moments and running statistics. A step is a pure
 * function of the state, the batch and the config.
 */
export class ModelTrainer implements AsyncDisposable {
  readonly #thread: Thread<TrainerExchange>;
  readonly #options: TrainerOptions;
  readonly #groups: Map<string, ParameterGroup>;
  /** Names that the thread holds. */
  readonly #held: Set<string>;
  #step: number;
  /** Seconds of the last step. */
  seconds = { forward: 0, backward: 0, optimizer: 0 };

  private constructor(thread: Thread<TrainerExchange>, options: TrainerOptions) {
    const { config, step } = options;
    const { model, train } = config;
    const specs = chainSpecs(config);
    this.#thread = thread;
    this.#options = options;
    this.#held = new Set(specs.map(({ name }) => name));
    this.#groups = parameterGroups(
      train.optimizer,
      model.backbone.depth,
      specs.filter(({ name }) => isTrained(config, name)),
    );
    this.#step = step;
  }

  /** @throws BadInput if the device does not exist, OutOfMemory if the training does not fit */
  static async open(options: TrainerOptions): Promise<ModelTrainer> {
    const { config, threads, constants } = options;
    const program = new URL('./trainer-thread', import.meta.url);
    const data = { config, threads, ...(constants ? { constants } : {}) };
    const thread = new Thread<TrainerExchange>({ name: 'training', program, data });
    await thread.ready;
    return new ModelTrainer(thread, options);
  }

  /** Sets a tensor of the state; its buffers are transferred. What lies below the trained stretch isn't needed. */
  async put({ name, data, first, second }: StateTensor): Promise<void> {
    if (!this.#held.has(name)) return;
    const arrays = [data, first, second].flatMap((array) => (array ? [own(array)] : []));
    const tensor: StateTensor = { name, data: arrays[0]! };
    if (first && second) Object.assign(tensor, { first: arrays[1], second: arrays[2] });
    await this.#thread.ask(
      { kind: 'put', tensor },
      arrays.map(({ buffer }) => buffer),
    );
  }

  /** @returns the step's figures, as mmseg logs them; a step whose loss is not finite changes nothing */
  async step({ features, labels }: TrainingBatch): Promise<StepLog> {
    const { train, model } = this.#options.config;
    const labelled = countLabelled(labels);
    const request = {
      kind: 'step' as const,
      step: {
        inputs: features,
        labels,
        dropPath: this.#dropPath(),
        dropoutMasks: this.#dropoutMasks(),
        factors: stepFactors(train, this.#groups, this.#step, (scale) => this.#learningRate(scale)),
      },
    };
    const answer = await this.#thread.ask(request, [...features.map(({ buffer }) => buffer), labels.buffer]);
    if (answer.kind !== 'stepped') throw new Error(`the training thread answered a step by ${answer.kind}`);
    const { sums, isSound, seconds } = answer.stepped;
    this.seconds = seconds;
    const lr = this.#learningRate(1);
    const log = stepLog(sums, trainedHeads(model, train), { step: this.#step + 1, lr, labelled });
    if (isSound) this.#step += 1;
    return log;
  }

  /** The current state; its tensors are read by the thread, between steps. */
  state(): TrainingState {
    const { config, frozen } = this.#options;
    return {
      step: this.#step,
      specs: stateSpecs(config),
      read: async (name, part) => {
        if (!this.#held.has(name)) return await frozen!(name);
        const answer = await this.#thread.ask({ kind: 'read', name, part });
        if (answer.kind !== 'read') throw new Error(`the training thread answered a read by ${answer.kind}`);
        return answer.data;
      },
    };
  }

  /** Ends the thread after the step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }

  #learningRate(lrScale: number): number {
    const { config, learningRate: given } = this.#options;
    return given?.(this.#step, lrScale) ?? learningRate(config.train, this.#step, lrScale);
  }

  #dropPath(): Float32Array | null {
    const { config, dropPath } = this.#options;
    const { train, model } = config;
    // A run that an earlier version planned has no rate.
    if (!(train.dropPathRate > 0)) return null;
    return dropPath?.(this.#step) ?? dropPathMultipliers(train, model.backbone.depth, this.#step);
  }

  /** Of whole channels; they depend on the seed and the step only. @see torch `Dropout2d` */
  #dropoutMasks(): Record<string, Float32Array> {
    const { train, model } = this.#options.config;
    const { dropout, seed, batch } = train;
    if (dropout === 0) return {};
    return Object.fromEntries(
      trainedHeads(model, train).map((head) => {
        const { uniform } = drawsAt(seed, 'dropout', head.name, this.#step);
        const draw = () => (uniform() < dropout ? 0 : 1 / (1 - dropout));
        return [dropoutMaskInput(head), Float32Array.from({ length: batch * head.channels }, draw)];
      }),
    );
  }
}

/** Copies an array that shares its buffer: a transfer would take the other arrays away, too. */
function own(array: Float32Array): Float32Array<ArrayBuffer> {
  const isWhole = array.buffer instanceof ArrayBuffer && array.byteLength === array.buffer.byteLength;
  return isWhole ? (array as Float32Array<ArrayBuffer>) : new Float32Array(array);
}

function countLabelled(labels: Uint8Array): number {
  let labelled = 0;
  for (const label of labels) if (label !== IGNORED_LABEL) labelled++;
  return labelled;
}

/** @see mmseg 0.30 `BaseDecodeHead.losses`: the accuracy is over labelled pixels, the loss over all */
function stepLog(
  sums: HeadSums,
  heads: TrainedHead[],
  { step, lr, labelled }: { step: number; lr: number; labelled: number },
): StepLog {
  const parts: Record<string, number> = {};
  let loss = 0;
  for (const { name, lossWeight } of heads) {
    const { loss: mean, correct } = sums[name]!;
    parts[`${name}.loss_ce`] = mean * lossWeight;
    parts[`${name}.acc_seg`] = labelled > 0 ? (100 * correct) / labelled : 0;
    loss += mean * lossWeight;
  }
  return { step, lr, loss, parts };
}
