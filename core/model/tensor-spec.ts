/** A tensor that a model needs: its name in a whole segmentor's checkpoint, and its shape. */
export interface TensorSpec {
  name: string;
  shape: number[];
  /** The same numbers in several tensors, one after the other along the first axis: as some checkpoints hold them. */
  parts?: TensorSpec[];
  /** A model works without it. */
  isOptional?: true;
}
