import type { z } from 'zod';
import type { GraphBuilder, Value } from '../../onnx/graph.ts';
import type { HeadContext } from '../layers.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import type { TensorLoader } from '../weights.ts';

/** What a head sees of a backbone. */
export interface TapShape {
  embedDim: number;
  /** How many taps. */
  taps: number;
  /** Side of a tap's map, in patches. */
  grid: number;
}

/** A kind of head: the form of its config, its tensors, its graph and its costs. */
export interface HeadType<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  /** From another program's name of a tensor to the one used here; the first pattern that matches counts. */
  renames: [RegExp, string][];
  /** Blocks that it looks at, where that is fixed. */
  taps: number | null;
  /** Whether its `channels` are those of its taps, joined. */
  isAsWideAsTaps: boolean;
  /** What training adds to the config's rules: sentences about what is wrong. */
  trainingProblems(head: z.infer<Schema>, train: { batch: number }): string[];
  /** Makes the maps that the head sees out of the taps; null if it sees the taps. An auxiliary head needs one. */
  neck: Neck | null;
  specs(head: z.infer<Schema>, shape: TapShape): TensorSpec[];
  /**
   * What of the head comes before its levels join: a stage of its own in training, because its values need not be there at
   * the same time as those behind it. Null: nothing.
   *
   * @param maps taps, or what the neck makes of them, `[B, C, h, w]` float32
   * @returns levels `[B, channels, h, w]` float32
   */
  levels:
    | ((
        ctx: HeadContext,
        head: z.infer<Schema>,
        shape: TapShape & { batch: number },
        maps: Value[],
      ) => Value[])
    | null;
  /** Side of a crop's logits. */
  logitsSide(grid: number): number;
  /**
   * @param levels of `levels`, or maps where it is null
   * @returns logits `[B, classes, logitsSide, logitsSide]` float32, named `head_logits`
   */
  graph(ctx: HeadContext, head: z.infer<Schema>, shape: TapShape & { batch: number }, levels: Value[]): Value;
  /** How often a convolution's kernel is applied for a crop, by its tensor's name. */
  applications(head: z.infer<Schema>, name: string, grid: number): number;
  /** Float32 numbers of a crop that are alive at once, at the most. */
  numbersAlive(head: z.infer<Schema>, shape: TapShape, phase: 'evaluation' | 'training'): number;
}

/** Maps of several sizes out of taps of one. It trains with the head even where the backbone is frozen. */
export interface Neck {
  specs(shape: TapShape): TensorSpec[];
  /** Sides of its maps, from fine to coarse. */
  sides(grid: number): number[];
  graph(graph: GraphBuilder, weights: TensorLoader, taps: Value[]): Value[];
  applications(name: string, grid: number): number;
}
