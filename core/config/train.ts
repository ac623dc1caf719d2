import { z } from 'zod';

const positive = z.int().positive();

/**
 * How a model is trained: a config's `train` section. Data like all of it, so that the original's recipes and the
 * tests' tiny ones are the same code.
 */
export const TrainSchema = z.strictObject({
  /** Optimizer steps. */
  steps: positive,
  /** Crops of one optimizer step. BatchNorm sees all of them, whoever computed their features. */
  batch: positive.max(1024),
  /** Of the order of images, crops, dropout, drop path and first weights. */
  seed: z.int().nonnegative().default(0),
  /**
   * What trains: `head`, `all`, or a list of names of the backbone's parameters, where `*` stands for any characters and
   * `?` for one, such as `backbone.blocks.4?.*`. Heads, auxiliary head and feature pyramid always train.
   */
  trainable: z
    .union([z.enum(['head', 'all']), z.array(z.string().min(1)).min(1)], {
      error: "expected head, all, or a list of parameters' names such as backbone.blocks.47.*",
    })
    .default('head'),
  /**
   * How likely a branch of the last block is dropped for a crop, in a step of training; less for each block below, and 0
   * for the first. Frozen blocks below the lowest that trains drop nothing.
   */
  dropPathRate: z.number().min(0).lt(1).default(0),
  optimizer: z.strictObject({
    type: z.literal('adamw'),
    lr: z.number().positive(),
    betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
    eps: z.number().positive().default(1e-8),
    /** Of weights with two dimensions or more; vectors and biases have none. */
    weightDecay: z.number().nonnegative(),
    /** The learning rate of a layer is this much that of the layer above: blocks, from the head down. */
    layerDecayRate: z.number().positive().max(1).default(1),
  }),
  schedule: z.strictObject({
    type: z.literal('poly'),
    power: z.number().positive().default(1),
    minLr: z.number().nonnegative().default(0),
    warmup: z.strictObject({ steps: z.int().nonnegative(), ratio: z.number().positive().max(1) }),
  }),
  /** Of the auxiliary head's loss, where the model has one. */
  auxiliaryLossWeight: z.number().nonnegative().default(0.4),
  /** Share of a head's channels that are dropped in a step. */
  dropout: z.number().min(0).lt(1).default(0),
  data: z.strictObject({
    /** Split that is trained on. */
    split: z.string().default('training'),
    /** Few-shot: so many of the split's images, chosen by the seed. */
    images: positive.optional(),
  }),
  augmentation: z.strictObject({
    /** Long and short side that an image is fitted into, before the ratio. */
    longPx: positive,
    shortPx: positive,
    ratioRange: z.tuple([z.number().positive(), z.number().positive()]).default([0.5, 2]),
    /** A crop in which one class covers more than this is drawn again, ten times at most. */
    catMaxRatio: z.number().positive().max(1).default(0.75),
    flip: z.number().min(0).max(1).default(0.5),
    photometricDistortion: z.boolean().default(true),
  }),
  /** How features are kept and sent: rounded to it even where nothing is sent, so that numbers don't depend on who computes. */
  features: z.enum(['float32', 'float16', 'bfloat16']).default('float32'),
  /** In steps, as the next two. */
  logEvery: positive.default(50),
  checkpointEvery: positive,
  evaluateEvery: positive,
});
export type TrainConfig = z.infer<typeof TrainSchema>;

/** A tensor of a training's state: a parameter, with AdamW's moments if it trains, or a running statistic. */
export interface StateTensor {
  /** Its name in a checkpoint, such as `decode_head.conv_seg.weight`. */
  name: string;
  data: Float32Array;
  /** Absent before the first step: zero. */
  first?: Float32Array;
  second?: Float32Array;
}

/** What of a tensor: its numbers, or one of its moments. */
export type StatePart = 'value' | 'first' | 'second';

/** A tensor of a checkpoint. */
export interface StateSpec {
  name: string;
  shape: number[];
  /** Whether an optimizer changes it: then it has moments. */
  isTrained: boolean;
  /** Type in the model's file. What trains is float32 in any case: its master lies beside the moments. */
  dtype: 'float32' | 'bfloat16';
}

/** A training's first state, or that of a checkpoint: tensor by tensor, each once. */
export interface StateSource {
  /** Steps done. */
  step: number;
  tensors(): AsyncIterable<StateTensor>;
}

/** A training's state after `step` steps, to be read tensor by tensor before the next step. */
export interface TrainingState {
  step: number;
  /** In the order of a checkpoint. */
  specs: StateSpec[];
  /** @returns a copy */
  read(name: string, part: StatePart): Promise<Float32Array>;
}

/** One optimizer step's figures, as mmseg logs them. */
export interface StepLog {
  /** Steps done, this one included. */
  step: number;
  /** Of the last parameter group, before its own scale. */
  lr: number;
  /** The sum of the losses, weighted. */
  loss: number;
  /** `decode.loss_ce`, `decode.acc_seg` (percent of labelled pixels), `aux.loss_ce`, `aux.acc_seg`. */
  parts: Record<string, number>;
}
