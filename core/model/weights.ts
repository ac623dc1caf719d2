import type { CheckpointIndex } from '../checkpoint/checkpoint-index.ts';
import { elementCount } from '../checkpoint/dtypes.ts';
import { readTensor, toFloat32 } from '../checkpoint/tensor-data.ts';
import type { DType } from '../config/manifests.ts';
import type { VitModel } from '../config/model-kinds.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import type { ReadAt } from '../store.ts';
import { gridSide, vitOf } from './backbone.ts';
import { roundToBfloat16 } from './bfloat16.ts';
import type { MatchedWeights, WeightSource } from './match-weights.ts';
import { resizePositionEmbedding } from './position-embedding.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { Grid, NamingName, Vit } from './vit.ts';
import { POSITION_EMBEDDING, ROPE_PERIODS } from './vit-tensors.ts';

/** A checkpoint at hand: its index, its bytes, and its place beside the model file. */
export interface CheckpointFile {
  index: CheckpointIndex;
  read: ReadAt;
  /** Path relative to the folder of the model file, for external data. */
  location: string;
}

/** Puts the named tensor into a graph, cast to `dtype`; `shape` views the same bytes with other dimensions. */
export type TensorLoader = (graph: GraphBuilder, name: string, dtype: DType, shape?: number[]) => Value;

/** A model's weights for a graph. */
export interface WeightLoader extends TensorLoader {
  /** Whether the checkpoints hold a tensor by this name: not if it comes in parts, or is optional and absent. */
  has(name: string): boolean;
  /** Numbers of one of the few tensors that are computed with on load, such as a rotary embedding's periods. */
  floats(name: string): Float32Array;
}

/** A loader out of its three functions. A tensor that is used twice, such as the last norm of several taps, is put in once. */
export function weightLoader(
  load: TensorLoader,
  { has, floats }: Pick<WeightLoader, 'has' | 'floats'>,
): WeightLoader {
  const put = new WeakMap<GraphBuilder, Map<string, Value>>();
  const loadOnce: TensorLoader = (graph, name, dtype, shape) => {
    const values = put.get(graph) ?? new Map<string, Value>();
    put.set(graph, values);
    const key = `${name} ${dtype}`;
    const value = values.get(key) ?? load(graph, name, dtype, shape);
    values.set(key, value);
    return value;
  };
  return Object.assign(loadOnce, { has, floats });
}

/**
 * Makes a loader whose initializers point into the checkpoints: nothing is converted or copied. Exceptions go inline:
 * what is computed on load (position embedding, a key's bias that is none), and strided views.
 *
 * @param grid of an input that isn't the config's square crop
 */
export async function openWeights(
  matched: MatchedWeights,
  checkpoints: CheckpointFile[],
  { backbone }: Pick<VitModel, 'backbone'>,
  grid: Grid = { rows: gridSide(backbone), columns: gridSide(backbone) },
): Promise<WeightLoader> {
  const vit = vitOf(backbone);
  const checkpointOf = ({ file }: WeightSource) => checkpoints.find((c) => c.index === file)!;
  const inline = new Map<string, Uint8Array>();
  const computed = new Map<string, { data: Float32Array; shape: number[] }>();
  for (const [name, source] of matched.sources) {
    const compute = onLoad(name, source, vit, grid, matched.naming);
    if (!compute && source.tensor.contiguous) continue;
    const bytes = await readTensor(source.file, source.tensor, checkpointOf(source).read);
    if (compute) computed.set(name, compute(toFloat32(bytes, source.tensor.dtype)));
    else inline.set(name, bytes);
  }

  const load: TensorLoader = (graph, name, dtype, shape) => {
    const ready = computed.get(name);
    if (ready)
      return castTo(
        graph,
        graph.constant(name, 'float32', shape ?? ready.shape, ready.data),
        'float32',
        dtype,
      );
    const source = matched.sources.get(name)!;
    const dims = shape ?? source.spec.shape;
    const stored = source.tensor.dtype;
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
  return weightLoader(load, {
    has: (name) => matched.sources.has(name),
    floats: (name) => computed.get(name)!.data,
  });
}

/**
 * Reads tensors as a training begins with them, float32: parts joined, the position embedding at the crop's grid, what is
 * computed on load computed.
 *
 * @returns reads a tensor of the model; null for one that is optional and in no checkpoint
 */
export function tensorReader(
  matched: MatchedWeights,
  checkpoints: CheckpointFile[],
  { backbone }: Pick<VitModel, 'backbone'>,
): (spec: TensorSpec) => Promise<Float32Array | null> {
  const vit = vitOf(backbone);
  const grid = { rows: gridSide(backbone), columns: gridSide(backbone) };
  const readOne = async (name: string): Promise<Float32Array | null> => {
    const source = matched.sources.get(name);
    if (!source) return null;
    const { file, tensor } = source;
    const { read } = checkpoints.find(({ index }) => index === file)!;
    const stored = toFloat32(await readTensor(file, tensor, read), tensor.dtype);
    return onLoad(name, source, vit, grid, matched.naming)?.(stored).data ?? stored;
  };
  return async ({ name, shape, parts = [] }) => {
    const whole = await readOne(name);
    if (whole || parts.length === 0) return whole;
    const joined = new Float32Array(elementCount(shape));
    let at = 0;
    for (const part of parts) {
      const values = (await readOne(part.name))!;
      // Between a query's bias and a value's is room for a key's, which is zero where there is none.
      joined.set(values, part === parts.at(-1) ? joined.length - values.length : at);
      at += values.length;
    }
    return joined;
  };
}

function castTo(graph: GraphBuilder, value: Value, from: DType, to: DType): Value {
  return from === to ? value : graph.cast(value, to, `${value}:${to}`);
}

type Compute = (stored: Float32Array) => { data: Float32Array; shape: number[] };

/** What becomes of a tensor on load; undefined for those that are taken as they lie in the file. */
function onLoad(
  name: string,
  { spec, tensor }: WeightSource,
  vit: Vit,
  grid: Grid,
  naming: NamingName,
): Compute | undefined {
  const { position, registers, embedDim: c } = vit;
  if (name === ROPE_PERIODS) return (data) => ({ data, shape: spec.shape });
  if (name.endsWith('.attn.qkv.bias') && !vit.bias.k)
    // A checkpoint holds something there, and a mask beside it that blanks it.
    return (stored) => ({ data: stored.slice().fill(0, c, 2 * c), shape: spec.shape });
  if (name !== POSITION_EMBEDDING || position.type !== 'learned') return undefined;
  const { antialias, sideOffset, arithmetic } = position.resize[naming];
  const isRounded = arithmetic === 'stored' && tensor.dtype === 'bfloat16';
  return (stored) => {
    const resized = resizePositionEmbedding(stored, {
      side: Math.sqrt(tensor.shape[1]! - 1),
      grid,
      channels: c,
      antialias,
      sideOffset,
      round: isRounded ? roundToBfloat16 : exact,
    });
    return { data: withRegisters(resized, registers, c), shape: [1, resized.length / c + registers, c] };
  };
}

/** Registers have no position: zeros stand for theirs. */
function withRegisters(embedding: Float32Array, registers: number, channels: number): Float32Array {
  if (registers === 0) return embedding;
  const out = new Float32Array(embedding.length + registers * channels);
  out.set(embedding.subarray(0, channels));
  out.set(embedding.subarray(channels), (1 + registers) * channels);
  return out;
}

/** Float32 is computed in float64 here and rounded once, which is nearer than any order of float32 sums. */
const exact = (value: number): number => value;
