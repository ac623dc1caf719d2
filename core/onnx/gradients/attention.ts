import { GraphBuilder, type Value } from '../graph.ts';
import { castTo, type GradientContext, once, type Rule, scaled, zeros } from './rule.ts';

/**
 * Bytes of the heads' maps (tokens × tokens, float32) that are held at a time; a few maps of this size exist at once.
 */
const MAP_BYTES = 1 << 28;
/**
 * Tokens are filled up to a multiple of it: rows of maps that begin at multiples of 16 bytes are what a GPU's fast products
 * take. The 6B has 1,297 tokens.
 */
const ALIGNED = 8;
/** Score of a token that fills up: its softmax is zero. */
const NO_SCORE = -1e9;

/** Of one piece: some heads of one image. */
interface Piece {
  query: Value;
  key: Value;
  value: Value;
  outputGrad: Value;
  /** Sum of output times its gradient, by token; float32. */
  outputSum: Value;
}

/** Columns `[heads, N', ALIGNED]` float32 behind query and key, whose product is what the scores of filled up tokens get. */
interface Filling {
  ofQuery: Value;
  ofKey: Value;
}

/** Attention over tokens. */
export const ATTENTION: Record<string, Rule> = {
  /**
   * Query, key and value `[B, N, C]`, as many heads of each, no mask. The maps are computed again, a few heads at a time,
   * for N' tokens, N filled up with zeros:
   * with S = s · QKᵀ, P = softmax(S), O = PV: dV = Pᵀ dO; dP = dO Vᵀ; dS = P ∘ (dP − rowsum(dO ∘ O)); dQ = s · dS K;
   * dK = s · dSᵀ Q.
   *
   * @see Dao et al., arXiv 2205.14135, for the row sum
   */
  Attention: (ctx) => {
    const parts = once(() => attentionGradients(ctx));
    return [0, 1, 2].map((i) => () => parts()[i]!);
  },
};

function attentionGradients(ctx: GradientContext): [Value, Value, Value] {
  const { graph, call, dy, shape } = ctx;
  const [query, key, value, ...others] = call.inputs as [Value, Value, Value];
  const { q_num_heads: heads, kv_num_heads: keyHeads, scale, ...unknown } = call.attributes;
  const attribute = Object.keys(unknown)[0];
  if (attribute || others.length > 0 || heads !== keyHeads || shape(query).length !== 3)
    throw new Error(`Attention (${call.outputs[0]}): no gradient with ${attribute ?? 'such inputs'}`);
  const [batch, tokens, channels] = shape(query) as [number, number, number];
  const count = heads as number;
  const size = channels / count;
  const factor = (scale as { float: number } | undefined)?.float ?? 1 / Math.sqrt(size);
  const filled = Math.ceil(tokens / ALIGNED) * ALIGNED;
  const atOnce = headsAtOnce(count, filled);
  const pieces = (batch * count) / atOnce;

  const inPieces = (part: Value, width: number) => {
    const headsFirst = graph.transpose(graph.reshape(part, [batch, tokens, count, width]), [0, 2, 1, 3]);
    const shape = [batch, count, filled - tokens, width];
    const whole =
      filled === tokens
        ? headsFirst
        : graph.node('Concat', [headsFirst, zeros(graph, shape, graph.typeOf(part))], { axis: 2 });
    return graph.reshape(whole, pieces === 1 ? [atOnce, filled, width] : [pieces, atOnce, filled, width]);
  };
  const joined = (part: Value) => {
    const tokensFirst = graph.transpose(graph.reshape(part, [batch, count, filled, size]), [0, 2, 1, 3]);
    const bounds = [[0], [tokens], [1]].map((bound) => graph.ints(bound));
    const own = filled === tokens ? tokensFirst : graph.node('Slice', [tokensFirst, ...bounds]);
    return graph.reshape(own, [batch, tokens, channels]);
  };
  const filling =
    filled === tokens ? null : fillingOf(graph, call.outputs[0]!, { heads: atOnce, tokens, filled });
  const products = graph.node('Mul', [
    castTo(graph, dy, 'float32'),
    castTo(graph, call.outputs[0]!, 'float32'),
  ]);
  const ones = graph.node('Expand', [graph.scalar(factor), graph.ints([size, 1])]);
  const sums = graph.node('MatMul', [graph.reshape(products, [batch * tokens * count, size]), ones]);
  const whole: Piece = {
    query: inPieces(query, size),
    key: inPieces(key, size),
    value: inPieces(value, size),
    outputGrad: inPieces(dy, size),
    outputSum: inPieces(sums, 1),
  };
  const grads =
    pieces === 1
      ? pieceGradients(graph, whole, factor, filling)
      : scanned(graph, whole, factor, filling, { name: call.outputs[0]!, shape: [atOnce, filled, size] });
  return grads.map(joined) as [Value, Value, Value];
}

function fillingOf(
  graph: GraphBuilder,
  name: string,
  { heads, tokens, filled }: { heads: number; tokens: number; filled: number },
): Filling {
  const columns = (part: string, first: (token: number) => number) => {
    const values = Float32Array.from({ length: heads * filled * ALIGNED }, (_, i) =>
      i % ALIGNED === 0 ? first(Math.floor(i / ALIGNED) % filled) : 0,
    );
    return graph.constant(`${name}_filling_${part}`, 'float32', [heads, filled, ALIGNED], values);
  };
  return {
    ofQuery: columns('query', () => 1),
    ofKey: columns('key', (token) => (token < tokens ? 0 : NO_SCORE)),
  };
}

/** One piece after the other. */
function scanned(
  graph: GraphBuilder,
  whole: Piece,
  factor: number,
  filling: Filling | null,
  { name, shape }: { name: string; shape: number[] },
): Value[] {
  const type = graph.typeOf(whole.query);
  const body = new GraphBuilder('heads', `${name}_heads_`);
  const input = (part: keyof Piece) =>
    part === 'outputSum'
      ? body.input(`${name}_${part}`, 'float32', [...shape.slice(0, 2), 1])
      : body.input(`${name}_${part}`, type, shape);
  const piece: Piece = {
    query: input('query'),
    key: input('key'),
    value: input('value'),
    outputGrad: input('outputGrad'),
    outputSum: input('outputSum'),
  };
  for (const gradient of pieceGradients(body, piece, factor, filling)) body.output(gradient, type, shape);
  const inputs = Object.values(whole) as Value[];
  const outputs = ['query', 'key', 'value'].map((part) => `${name}_${part}_grads`);
  return graph.nodes('Scan', inputs, { body, num_scan_inputs: inputs.length }, outputs);
}

/**
 * Gradients of query, key and value of some heads, `[heads, N', C / heads]`. Maps are float32: products that round to 8 bits
 * of mantissa would lose what the softmax and the difference of dP and its row sum need. The scale is in V and in the sums.
 */
function pieceGradients(
  graph: GraphBuilder,
  { query, key, value, outputGrad, outputSum }: Piece,
  factor: number,
  filling: Filling | null,
): [Value, Value, Value] {
  const type = graph.typeOf(query);
  const wide = (part: Value) => castTo(graph, part, 'float32');
  const product = (a: Value, b: Value) => graph.node('MatMul', [a, b]);
  const turned = (matrices: Value) => graph.transpose(matrices, [0, 2, 1]);
  const withColumns = (part: Value, columns: Value | undefined) =>
    columns ? graph.node('Concat', [part, columns], { axis: 2 }) : part;
  const scaledQuery = withColumns(scaled(graph, wide(query), factor), filling?.ofQuery);
  const scores = product(scaledQuery, turned(withColumns(wide(key), filling?.ofKey)));
  const softmax = graph.node('Softmax', [scores], { axis: -1 });
  const valueGrad = product(turned(castTo(graph, softmax, type)), outputGrad);
  const softmaxGrad = product(wide(outputGrad), turned(scaled(graph, wide(value), factor)));
  const centred = graph.node('Sub', [softmaxGrad, outputSum]);
  const scoresGrad = castTo(graph, graph.node('Mul', [softmax, centred]), type);
  return [product(scoresGrad, key), product(turned(scoresGrad), query), valueGrad];
}

/** The largest divisor of the heads whose maps fit. */
function headsAtOnce(heads: number, tokens: number): number {
  const most = Math.max(1, Math.floor(MAP_BYTES / (tokens * tokens * 4)));
  for (let count = Math.min(most, heads); count > 1; count--) if (heads % count === 0) return count;
  return 1;
}
