import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRandom } from '../../cli/demo/scene-random.ts';
import { elementCount, ITEM_BYTES } from '../../core/checkpoint/dtypes.ts';
import { type TensorToWrite, type TorchState, torchFileChunks } from '../../core/checkpoint/torch-writer.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import { publishedSpecs } from '../../core/model/backbone.ts';
import { roundToBfloat16 } from '../../core/model/bfloat16.ts';
import { modelSpecs } from '../../core/model/model-specs.ts';
import type { TensorSpec } from '../../core/model/tensor-spec.ts';

/** Random numbers that every tensor takes its own from: drawing billions would take minutes. */
const POOL_ELEMENTS = 1 << 20;
const SEED = 6;

type Model = VitModel;
type Pools = Map<string, Uint8Array>;

/** A pre-trained backbone as its authors give it out: every block, bfloat16, the grid of pre-training. */
export function backboneState(model: Model): TorchState {
  const pools: Pools = new Map();
  const tensors = publishedSpecs(model.backbone).map(({ name, shape }) =>
    randomTensor({ name: name.slice('backbone.'.length), shape }, 'bfloat16', pools),
  );
  return { tensors, wrap: 'module' };
}

/** What training makes on a frozen backbone, float32: the head, and UperNet's feature pyramid. */
export function headState(model: Model): TorchState {
  const pools: Pools = new Map();
  const tensors = modelSpecs(model)
    .filter(({ name }) => !name.startsWith('backbone.') || name.startsWith('backbone.up'))
    .map((spec) => randomTensor(spec, 'float32', pools));
  return { tensors, wrap: 'state_dict' };
}

/** Bytes of a state's tensors. */
export function stateBytes({ tensors }: TorchState): number {
  return tensors.reduce((sum, { shape, dtype }) => sum + elementCount(shape) * ITEM_BYTES[dtype], 0);
}

/** Writes a checkpoint piece by piece. */
export async function writeState(file: string, state: TorchState): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.new`, torchFileChunks(state));
  await rename(`${file}.new`, file);
}

function randomTensor(
  { name, shape }: TensorSpec,
  dtype: 'bfloat16' | 'float32',
  pools: Pools,
): TensorToWrite {
  const { mean, deviation } = distribution({ name, shape });
  const key = `${mean} ${deviation}`;
  const pool = () => {
    const made = pools.get(key) ?? makePool(mean, deviation, dtype);
    pools.set(key, made);
    return made;
  };
  return { name, dtype, shape, data: pieces(pool, name, elementCount(shape) * ITEM_BYTES[dtype]) };
}

/** Such that activations keep their size from block to block, as trained ones do. */
export function distribution({ name, shape }: TensorSpec): { mean: number; deviation: number } {
  if (/norm\d?\.weight$|bn\.weight$|up1\.1\.weight$|running_var$/.test(name))
    return { mean: 1, deviation: 0.05 };
  if (name.endsWith('periods')) return { mean: 10, deviation: 1 };
  if (name.endsWith('gamma')) return { mean: 0.1, deviation: 0.01 };
  if (shape.length === 1 || /_tokens?$|pos_embed/.test(name)) return { mean: 0, deviation: 0.02 };
  return { mean: 0, deviation: 1 / Math.sqrt(elementCount(shape.slice(1))) };
}

function makePool(mean: number, deviation: number, dtype: 'bfloat16' | 'float32'): Uint8Array {
  const random = createRandom(SEED);
  const values = Float32Array.from({ length: POOL_ELEMENTS }, () => mean + deviation * random.normal());
  if (dtype === 'float32') return new Uint8Array(values.buffer);
  const words = new Uint32Array(values.map(roundToBfloat16).buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}

/** Cuts of the pool from places that differ from tensor to tensor; the pool is made when the first is written. */
function* pieces(poolOf: () => Uint8Array, name: string, bytes: number): Generator<Uint8Array> {
  const pool = poolOf();
  const random = createRandom(
    [...name].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7),
  );
  for (let rest = bytes; rest > 0; ) {
    const from = 4 * random.whole(0, pool.length / 8 - 1);
    const piece = pool.subarray(from, from + rest);
    yield piece;
    rest -= piece.length;
  }
}
