/** A tensor that a model needs: its name in a whole segmentor's checkpoint, and its shape. */
export interface TensorSpec {
  name: string;
  shape: number[];
}

/** Side of the grid of patches of an image side. */
export function gridSide(sidePx: number, patchPx: number): number {
  return Math.floor(sidePx / patchPx);
}
