import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import { planChain } from '../../../core/model/chain/chain-plan.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Input of one optimizer step. Each array owns its buffer. */
export interface FeatureBatch {
  step: number;
  /** What the frozen stretch gives, in the order of `ChainPlan.inputs`, each of B = train.batch crops. */
  features: Float32Array<ArrayBuffer>[];
  /** `[B, S, S]` */
  labels: Uint8Array<ArrayBuffer>;
}

/** Crops that are computed together: slots `[group · b, (group + 1) · b)` of a step, b = run.batch. */
export interface Group {
  step: number;
  group: number;
}

export interface WindowOptions {
  config: FeaturesConfig;
  /** Steps `[first, end)`, counted from 0. */
  first: number;
  end: number;
  /** Steps that may be computed ahead of the oldest one; at least one, whatever the limit of bytes is. */
  steps: number;
  bytes: number;
}

/** Buffers for a crop's features and labels. */
export interface CropPlace {
  /** As a batch's, of one crop. */
  features: Float32Array[];
  /** `[S, S]` */
  labels: Uint8Array;
}

interface OpenStep {
  batch: FeatureBatch;
  /** Slots that are missing. */
  missing: Set<number>;
}

/**
 * The batches that are being computed. Workers take groups and send their crops in any order; the trainer takes complete
 * batches in the order of the steps. A returned group is the next to be taken. Duplicate and late crops are rejected.
 */
export class FeatureWindow {
  readonly #options: WindowOptions;
  readonly #size: number;
  readonly #open = new Map<number, OpenStep>();
  readonly #returned: Group[] = [];
  /** The next group that has not been taken. */
  #fresh: Group;
  #oldest: number;

  constructor(options: WindowOptions) {
    const { first, steps, bytes } = options;
    this.#options = options;
    this.#size = Math.max(1, Math.min(steps, Math.floor(bytes / batchBytes(options.config))));
    this.#fresh = { step: first, group: 0 };
    this.#oldest = first;
  }

  /** Steps that have buffers. */
  get openSteps(): number {
    return this.#open.size;
  }

  /** Takes the next group to compute, earliest step first; null if the window has none. */
  take(): Group | null {
    for (let back = this.#returned.shift(); back; back = this.#returned.shift())
      if (this.isMissing(back)) return back;
    const { step, group } = this.#fresh;
    if (step >= Math.min(this.#options.end, this.#oldest + this.#size)) return null;
    if (group === 0) this.#open.set(step, openStep(this.#options.config, step));
    const isLast = (group + 1) * this.#options.config.run.batch >= this.#options.config.train.batch;
    this.#fresh = isLast ? { step: step + 1, group: 0 } : { step, group: group + 1 };
    return { step, group };
  }

  /** Returns a group whose worker is lost or too slow. */
  giveBack(group: Group): void {
    this.#returned.push(group);
    this.#returned.sort((a, b) => a.step - b.step || a.group - b.group);
  }

  /** Whether a crop of the group is missing. */
  isMissing(group: Group): boolean {
    const missing = this.#open.get(group.step)?.missing;
    return slotsOf(group, this.#options.config).some((slot) => missing?.has(slot));
  }

  /** Buffers for a crop; null if the crop is not needed. Call `put` after writing. */
  place(step: number, slot: number): CropPlace | null {
    const open = this.#open.get(step);
    if (!open?.missing.has(slot)) return null;
    const { features, labels } = open.batch;
    return {
      features: features.map((tap) => part(tap, slot, this.#options.config.train.batch)),
      labels: part(labels, slot, this.#options.config.train.batch),
    };
  }

  put(step: number, slot: number): void {
    this.#open.get(step)?.missing.delete(slot);
  }

  /** Takes the next batch if it is complete; this frees its place in the window. */
  shift(): FeatureBatch | null {
    const oldest = this.#open.get(this.#oldest);
    if (!oldest || oldest.missing.size > 0) return null;
    this.#open.delete(this.#oldest);
    this.#oldest += 1;
    return oldest.batch;
  }
}

/** Slots of a group; the last one of a step may have fewer than a whole batch of the backbone. */
export function slotsOf({ group }: Group, { run, train }: FeaturesConfig): number[] {
  const first = group * run.batch;
  return Array.from({ length: Math.min(run.batch, train.batch - first) }, (_, i) => first + i);
}

interface CropSizes {
  /** Elements of each of a crop's features, in the order of `ChainPlan.inputs`. */
  features: number[];
  /** Pixels. */
  labels: number;
}

/** They are asked for with each crop that is received, and a plan of the 6B takes a millisecond and a half. */
const known = new WeakMap<FeaturesConfig, CropSizes>();

/** Sizes of one crop. */
export function cropSizes(config: FeaturesConfig): CropSizes {
  const sizes = known.get(config) ?? {
    features: planChain(config).inputs.map(({ shape }) => elementCount(shape)),
    labels: config.model.backbone.imageSizePx ** 2,
  };
  known.set(config, sizes);
  return sizes;
}

function batchBytes(config: FeaturesConfig): number {
  const { features, labels } = cropSizes(config);
  return config.train.batch * (4 * features.reduce((sum, elements) => sum + elements, 0) + labels);
}

function openStep(config: FeaturesConfig, step: number): OpenStep {
  const { batch } = config.train;
  const { features, labels } = cropSizes(config);
  return {
    batch: {
      step,
      features: features.map((elements) => new Float32Array(batch * elements)),
      labels: new Uint8Array(batch * labels),
    },
    missing: new Set(Array(batch).keys()),
  };
}

function part<T extends Float32Array | Uint8Array>(array: T, index: number, count: number): T {
  const length = array.length / count;
  return array.subarray(index * length, (index + 1) * length) as T;
}
