import type { Value } from '../onnx/graph.ts';
import { type Grid, prefixTokens, type RotaryPosition } from './vit.ts';
import type { VitContext } from './vit-graph.ts';
import { ROPE_PERIODS } from './vit-tensors.ts';

/**
 * Periods of a rotary embedding: theta^(4j / d) for a quarter of a head's channels, float32.
 *
 * @param headDim d, channels of a head
 * @see transformers 4.57 `DINOv3ViTRopePositionEmbedding`
 */
export function rotaryPeriods(theta: number, headDim: number): Float32Array {
  return Float32Array.from({ length: headDim / 4 }, (_, j) => theta ** ((4 * j) / headDim));
}

/**
 * Cosine and sine of the angle of each patch and channel: first the rows' periods, then the columns', then both again.
 * Coordinates are the patches' centres, each axis by its own length, from -1 to 1.
 *
 * @returns each `[rows * columns, headDim]`
 * @see dinov3 `dinov3/layers/rope_position_encoding.py`
 */
export function rotaryAngles(
  { rows, columns }: Grid,
  periods: Float32Array,
): { cos: Float32Array; sin: Float32Array } {
  const quarter = periods.length;
  const headDim = 4 * quarter;
  const cos = new Float32Array(rows * columns * headDim);
  const sin = new Float32Array(cos.length);
  const centre = (index: number, count: number) => Math.fround(Math.fround((index + 0.5) / count) * 2 - 1);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let i = 0; i < headDim; i++) {
        const isRow = i % (2 * quarter) < quarter;
        const coordinate = isRow ? centre(row, rows) : centre(column, columns);
        const angle = Math.fround((2 * Math.PI * coordinate) / periods[i % quarter]!);
        const at = (row * columns + column) * headDim + i;
        cos[at] = Math.cos(angle);
        sin[at] = Math.sin(angle);
      }
  return { cos, sin };
}

/** The angles as values `[1, N, 1, headDim]` float32, once a graph. Class token and registers are not rotated. */
export function rotaryTables(
  ctx: VitContext,
  { theta }: RotaryPosition,
  grid: Grid,
): { cos: Value; sin: Value } {
  const { graph, weights, vit } = ctx;
  const names = { cos: 'rope_cos' as Value, sin: 'rope_sin' as Value };
  if (graph.shapes.has(names.cos)) return names;
  const headDim = vit.embedDim / vit.heads;
  const periods = weights.has(ROPE_PERIODS) ? weights.floats(ROPE_PERIODS) : rotaryPeriods(theta, headDim);
  const { cos, sin } = rotaryAngles(grid, periods);
  const prefix = prefixTokens(vit);
  const shape = [1, prefix + grid.rows * grid.columns, 1, headDim];
  const withPrefix = (table: Float32Array, fill: number) => {
    const out = new Float32Array(prefix * headDim + table.length).fill(fill, 0, prefix * headDim);
    out.set(table, prefix * headDim);
    return out;
  };
  return {
    cos: graph.constant(names.cos, 'float32', shape, withPrefix(cos, 1)),
    sin: graph.constant(names.sin, 'float32', shape, withPrefix(sin, 0)),
  };
}

/**
 * Rotates query or key, `[B, N, C]`: pairs are a head's halves (channel j and j + d / 2), not neighbours. Always in
 * float32, as the original repository does it also in half precision.
 */
export function addRotary(
  { graph, vit, batch, dtype }: VitContext,
  x: Value,
  { cos, sin }: { cos: Value; sin: Value },
  tokens: number,
): Value {
  const headDim = vit.embedDim / vit.heads;
  const heads = graph.cast(graph.reshape(x, [batch, tokens, vit.heads, headDim]), 'float32');
  const half = headDim / 2;
  const slice = (from: number, to: number) =>
    graph.node('Slice', [heads, graph.ints([from]), graph.ints([to]), graph.ints([3])]);
  const turned = graph.node('Concat', [graph.node('Neg', [slice(half, headDim)]), slice(0, half)], {
    axis: 3,
  });
  const rotated = graph.node('Add', [graph.node('Mul', [heads, cos]), graph.node('Mul', [turned, sin])]);
  return graph.cast(graph.reshape(rotated, [batch, tokens, vit.embedDim]), dtype);
}
