import type { CheckpointIndex } from '../checkpoint/checkpoint-index.ts';
import { readTensor, toFloat32 } from '../checkpoint/tensor-data.ts';
import type { Config } from '../config/config.ts';
import type { DType } from '../config/manifests.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import type { ReadAt } from '../store.ts';
import { roundToBfloat16 } from './bfloat16.ts';
import type { MatchedWeights, WeightSource } from './match-weights.ts';
import { resizePositionEmbedding } from './position-embedding.ts';
import { gridSide } from './tensor-spec.ts';
import { POSITION_EMBEDDING } from './tensor-specs.ts';

/** A checkpoint at hand: its index, its bytes, and its place beside the model file. */
export interface CheckpointFile {
  index: CheckpointIndex;
  read: ReadAt;
  /** Path relative to the folder of the model file, for external data. */
  location: string;
}

/**
 * Puts a model's weights into a graph: the named tensor, cast to `dtype`;
 * `shape` views the same bytes with other dimensions.
 */
export type WeightLoader = (graph: GraphBuilder, name: string, dtype: DType, shape?: number[]) => Value;

/**
 * Makes a loader whose initializers point into the checkpoints: nothing is converted or copied.
 * Two exceptions go inline: the position embedding (it may be resized), and strided views.
 */
export async function openWeights(
  matched: MatchedWeights,
  checkpoints: CheckpointFile[],
  model: Config['model'],
): Promise<WeightLoader> {
  const checkpointOf = ({ file }: WeightSource) => checkpoints.find((c) => c.index === file)!;
  const inline = new Map<string, Uint8Array>();
  for (const [name, source] of matched.sources) {
    if (source.tensor.contiguous && name !== POSITION_EMBEDDING) continue;
    inline.set(name, await readTensor(source.file, source.tensor, checkpointOf(source).read));
  }
  const position = positionEmbedding(matched.sources.get(POSITION_EMBEDDING)!, inline, model);

  return (graph, name, dtype, shape) => {
    const source = matched.sources.get(name)!;
    const dims = shape ?? source.spec.shape;
    const stored = source.tensor.dtype;
    if (name === POSITION_EMBEDDING)
      return castTo(graph, graph.constant(name, 'float32', dims, position), 'float32', dtype);
    const bytes = inline.get(name);
    const value = bytes
      ? graph.constant(name, stored, dims, bytes)
      : graph.external(name, stored, dims, {
          location: checkpointOf(source).location,
          offset: source.tensor.offset,
          length: source.tensor.length,
        });
    return castTo(graph, value, stored, dtype);
  };
}

function castTo(graph: GraphBuilder, value: Value, from: DType, to: DType): Value {
  return from === to ? value : graph.cast(value, to, `${value}:${to}`);
}

/** `[1 + grid², channels]` at the crop's grid. */
function positionEmbedding(
  source: WeightSource,
  inline: Map<string, Uint8Array>,
  { backbone }: Config['model'],
): Float32Array {
  const stored = toFloat32(inline.get(POSITION_EMBEDDING)!, source.tensor.dtype);
  const side = Math.sqrt(source.tensor.shape[1]! - 1);
  const newSide = gridSide(backbone.imageSizePx, backbone.patchSizePx);
  const round = source.tensor.dtype === 'bfloat16' ? roundToBfloat16 : exact;
  return resizePositionEmbedding(stored, { side, newSide, channels: backbone.embedDim, round });
}

/** Float32 is computed in float64 here and rounded once, which is nearer than any order of float32 sums. */
const exact = (value: number): number => value;
