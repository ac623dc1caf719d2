import { gridSide } from '../../../core/model/backbone.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** What one optimizer step learns from. Each array owns its buffer. */
export interface FeatureBatch {
  step: number;
  /** By tap, `[B, C, g, g]`, B = train.batch. */
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
  /** Steps that may be begun before the oldest is taken; at least one, whatever `bytes` says. */
  steps: number;
  bytes: number;
}

/** Where a crop's features and labels belong. */
export interface CropPlace {
  /** By tap, `[C, g, g]`. */
  features: Float32Array[];
  /** `[S, S]` */
  labels: Uint8Array;
}

interface OpenStep {
  batch: FeatureBatch;
  /** Slots that are not there yet. */
  missing: Set<number>;
}

/**
 * The batches in the making: who computes asks for a group, brings its crops in any order, and the trainer takes
 * whole batches in theirs. A group that was given back is the next one to be given out; a crop that is there
 * already, or comes too late, has no place any more.
 */
export class FeatureWindow {
  readonly #options: WindowOptions;
  readonly #size: number;
  readonly #open = new Map<number, OpenStep>();
  readonly #returned: Group[] = [];
  /** The next group that nobody has had. */
  #fresh: Group;
  #oldest: number;

  constructor(options: WindowOptions) {
    const { first, steps, bytes } = options;
    this.#options = options;
    this.#size = Math.max(1, Math.min(steps, Math.floor(bytes / batchBytes(options.config))));
    this.#fresh = { step: first, group: 0 };
    this.#oldest = first;
  }

  /** Steps that have memory now. */
  get openSteps(): number {
    return this.#open.size;
  }

  /** A group to be computed; null if there is none within the window. Earlier steps come first. */
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

  /** For someone else: whoever had it is gone, or too slow. */
  giveBack(group: Group): void {
    this.#returned.push(group);
    this.#returned.sort((a, b) => a.step - b.step || a.group - b.group);
  }

  /** Whether a crop of the group is still to come. */
  isMissing(group: Group): boolean {
    const missing = this.#open.get(group.step)?.missing;
    return slotsOf(group, this.#options.config).some((slot) => missing?.has(slot));
  }

  /** Null if the crop isn't wanted (any more). `put` says that it is written. */
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

  /** The next batch, if all of it is there; then room is made for another one. */
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

/** Elements of one crop's feature of one tap, and of its labels. */
export function cropSizes({ model }: Pick<FeaturesConfig, 'model'>): { feature: number; labels: number } {
  const { embedDim, imageSizePx } = model.backbone;
  return { feature: embedDim * gridSide(model.backbone) ** 2, labels: imageSizePx ** 2 };
}

function batchBytes(config: FeaturesConfig): number {
  const { feature, labels } = cropSizes(config);
  return config.train.batch * (4 * feature * config.model.backbone.taps.length + labels);
}

function openStep(config: FeaturesConfig, step: number): OpenStep {
  const { batch } = config.train;
  const { feature, labels } = cropSizes(config);
  return {
    batch: {
      step,
      features: config.model.backbone.taps.map(() => new Float32Array(batch * feature)),
      labels: new Uint8Array(batch * labels),
    },
    missing: new Set(Array(batch).keys()),
  };
}

function part<T extends Float32Array | Uint8Array>(array: T, index: number, count: number): T {
  const length = array.length / count;
  return array.subarray(index * length, (index + 1) * length) as T;
}
