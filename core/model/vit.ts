/**
 * A vision transformer as data: what each family's config resolves to, and all that specs, graphs and costs read.
 * Tensors have the names of InternVL's segmentation folder after `backbone.`, whatever a checkpoint calls them.
 */
export interface Vit {
  /** Side of the square crops, pixels. */
  imageSizePx: number;
  patchSizePx: number;
  /** For pixels beside the last whole patch: the convolution ignores them, or zeros around the crop complete the patch. */
  partialPatch: 'ignore' | 'pad';
  embedDim: number;
  depth: number;
  heads: number;
  /** Tokens between the class token and the patches. */
  registers: number;
  norm: { type: 'rms' | 'layer'; eps: number };
  /** A norm of the last block's type behind it; where there is one, every tap goes through it. */
  finalNorm: boolean;
  /** RMSNorm of query and key over all channels, before they are split into heads. */
  qkNorm: boolean;
  bias: { q: boolean; k: boolean; v: boolean };
  ffn: { type: 'gelu' | 'swiglu'; hidden: number };
  position: LearnedPosition | RotaryPosition;
  /** Blocks whose output the head sees, 0-based. */
  taps: number[];
}

export interface LearnedPosition {
  type: 'learned';
  /** Side of the grid that the checkpoint's embedding was trained on. */
  gridSide: number;
  /** How the code that reads each naming resizes it. */
  resize: Record<NamingName, PositionResize>;
}

export interface RotaryPosition {
  type: 'rotary';
  /** Base of the periods. A checkpoint that holds its periods overrides it. */
  theta: number;
}

/** A bicubic resize of a position embedding. */
export interface PositionResize {
  /** Antialiased as PyTorch does it, with its other cubic kernel; differs also for enlarging. */
  antialias: boolean;
  /** Added to the new side before the scale is computed: DINOv2's 0.1. */
  sideOffset: number;
  /** Whether weights, products and sums are rounded to the checkpoint's type, or all is float32. */
  arithmetic: 'stored' | 'float32';
}

/** Who published a checkpoint, which decides its tensors' names. */
export type NamingName = 'original' | 'huggingface';

export interface Naming {
  name: NamingName;
  /** A name that only this naming has. */
  sign: RegExp;
  /** From a name in the checkpoint to the one used here; the first pattern that matches counts. */
  renames: [RegExp, string][];
}

/** Rows and columns of patches. */
export interface Grid {
  rows: number;
  columns: number;
}

/** Patches along a side of `sidePx` pixels. */
export function patchesAlong(
  sidePx: number,
  { patchSizePx, partialPatch }: Pick<Vit, 'patchSizePx' | 'partialPatch'>,
) {
  return partialPatch === 'pad' ? Math.ceil(sidePx / patchSizePx) : Math.floor(sidePx / patchSizePx);
}

/** Tokens before the patches: the class token and the registers. */
export function prefixTokens({ registers }: Pick<Vit, 'registers'>): number {
  return 1 + registers;
}
