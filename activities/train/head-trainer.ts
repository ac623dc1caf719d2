import type { HeadState, StepLog } from '../../core/config/train.ts';
import { IGNORED_LABEL } from '../../core/image/label-map.ts';
import { headSpecs } from '../../core/model/head.ts';
import { dropoutMaskInput, type TrainedHead, trainedHeads } from '../../core/model/training-graph.ts';
import { type AdamWFactors, adamwFactors } from '../../core/onnx/adamw.ts';
import { drawsAt } from '../../core/train/draws.ts';
import { type ParameterGroup, parameterGroups } from '../../core/train/parameter-groups.ts';
import { learningRate } from '../../core/train/schedule.ts';
import { Thread } from '../thread.ts';
import type { FeatureBatch } from './features/feature-window.ts';
import {
  buffersOf,
  type HeadExchange,
  type HeadSums,
  type HeadThreadOptions,
  type MovingTensor,
} from './head-protocol.ts';

export interface HeadTrainerOptions extends HeadThreadOptions {
  /** Initial state. Its buffers are transferred: read `state()` afterwards. */
  state: HeadState;
  /** Learning rate of a step (from 0) and a parameter group; default: the config's schedule. */
  learningRate?: (step: number, lrScale: number) => number;
}

/**
 * Trains a head on a thread of its own: holds parameters, moments and running statistics, and runs steps. A step is a
 * pure function of the state, the batch and the config.
 */
export class HeadTrainer implements AsyncDisposable {
  readonly #thread: Thread<HeadExchange>;
  readonly #config: HeadThreadOptions['config'];
  readonly #groups: Map<string, ParameterGroup>;
  readonly #learningRate: (step: number, lrScale: number) => number;
  #step: number;
  #tensors: MovingTensor[];
  /** Seconds of the last step: the graph, and the optimizer. */
  seconds = { graph: 0, optimizer: 0 };

  private constructor(
    thread: Thread<HeadExchange>,
    { config, state, learningRate: given }: HeadTrainerOptions,
  ) {
    const { optimizer } = config.train;
    this.#thread = thread;
    this.#config = config;
    this.#learningRate = given ?? ((step, lrScale) => learningRate(config.train, step, lrScale));
    this.#groups = parameterGroups(optimizer, config.model.backbone.depth, headSpecs(config.model));
    this.#step = state.step;
    this.#tensors = headSpecs(config.model).map(({ name }) => moving(state, name));
  }

  /** @throws BadInput if the device does not exist, OutOfMemory if the graph does not fit */
  static async open(options: HeadTrainerOptions): Promise<HeadTrainer> {
    const { config, threads } = options;
    const program = new URL('./head-thread', import.meta.url);
    const thread = new Thread<HeadExchange>({ name: 'training', program, data: { config, threads } });
    await thread.ready;
    return new HeadTrainer(thread, options);
  }

  /**
   * Runs one optimizer step. The batch's buffers are transferred to the thread.
   *
   * @returns the step's figures, as mmseg logs them; a step whose loss is not finite changes nothing
   */
  async step({ features, labels }: Pick<FeatureBatch, 'features' | 'labels'>): Promise<StepLog> {
    const { train, model } = this.#config;
    const lr = this.#learningRate(this.#step, 1);
    const labelled = countLabelled(labels);
    const factors: Record<string, AdamWFactors> = {};
    for (const [name, { lrScale, weightDecay }] of this.#groups)
      factors[name] = adamwFactors(
        train.optimizer,
        this.#step + 1,
        this.#learningRate(this.#step, lrScale),
        weightDecay,
      );
    const dropoutMasks = Object.fromEntries(
      (train.dropout > 0 ? trainedHeads(model, train) : []).map((head) => [
        dropoutMaskInput(head),
        this.#dropoutMask(head),
      ]),
    );
    const answer = await this.#thread.ask(
      { tensors: this.#tensors, features, labels, dropoutMasks, factors },
      [...buffersOf(this.#tensors), ...features.map(({ buffer }) => buffer), labels.buffer],
    );
    this.#tensors = answer.tensors;
    this.seconds = answer.seconds;
    const log = stepLog(answer.sums, trainedHeads(model, train), { step: this.#step + 1, lr, labelled });
    if (answer.isSound) this.#step += 1;
    return log;
  }

  /** The current state: a view, valid until the next step. */
  state(): HeadState {
    return {
      step: this.#step,
      tensors: new Map(this.#tensors.map(({ name, shape, data }) => [name, { shape, data }])),
      moments: new Map(
        this.#tensors.flatMap(({ name, first, second }) =>
          first && second ? [[name, { first, second }] as const] : [],
        ),
      ),
    };
  }

  /** Ends the thread after the step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }

  /** Dropout mask of whole channels; depends on the seed and the step only. @see torch `Dropout2d` */
  #dropoutMask({ name, channels }: TrainedHead): Float32Array<ArrayBuffer> {
    const { dropout, seed, batch } = this.#config.train;
    const { uniform } = drawsAt(seed, 'dropout', name, this.#step);
    return Float32Array.from({ length: batch * channels }, () =>
      uniform() < dropout ? 0 : 1 / (1 - dropout),
    );
  }
}

/** Copies arrays that share a buffer: a transfer would take the other arrays away, too. */
function moving({ tensors, moments }: HeadState, name: string): MovingTensor {
  const { shape, data } = tensors.get(name)!;
  const moment = moments.get(name);
  return {
    name,
    shape,
    data: own(data),
    ...(moment ? { first: own(moment.first), second: own(moment.second) } : {}),
  };
}

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
