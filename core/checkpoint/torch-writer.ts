import { BadInput } from '../config/failures.ts';
import type { DType } from '../config/manifests.ts';
import { elementCount, ITEM_BYTES } from './dtypes.ts';
import { type JsonValue, type PickledTensor, writePickle } from './pickle-writer.ts';
import { createZipWriter, type ZipWriter } from './zip-writer.ts';

/** The folder inside of the archive. torch takes the file's name, and reads any. */
const ROOT = 'archive';

/** A state dict to be written, in this order. */
export interface TorchState {
  tensors: TensorToWrite[];
  /** Where in the file the state dict lies; `state_dict` if absent. */
  wrap?: 'state_dict' | 'module' | 'none';
  /** Plain notes beside it, such as mmseg's CLASSES and PALETTE. Needs a wrap. */
  meta?: JsonValue;
}

export interface TensorToWrite {
  name: string;
  dtype: DType;
  shape: number[];
  /** Elements in C order, little-endian; or pieces of them, made while the file is written. */
  data: Uint8Array | Iterable<Uint8Array>;
}

/**
 * A checkpoint as `torch.save` (>= 1.6) writes it, to be read by torch, mmseg and `openTorchFile`.
 *
 * @throws BadInput as `torchFileChunks`
 */
export function writeTorchFile(state: TorchState): Uint8Array {
  return Buffer.concat([...torchFileChunks(state)]);
}

/**
 * The same file piece by piece, in order; its memory is one piece.
 * Sizes come from shapes, so nothing is read before its turn. Beyond 4 GiB it writes zip64 records.
 *
 * @throws BadInput if data does not have the size that its shape says, or `meta` has no place
 * @see torch 2.2 `torch/serialization.py` `_save`
 */
export function* torchFileChunks(
  state: TorchState,
  zip: ZipWriter = createZipWriter(),
): Generator<Uint8Array> {
  yield* beginning(zip, state);
  for (const [index, tensor] of state.tensors.entries()) yield* tensorRecord(zip, index, tensor);
  yield* end(zip);
}

/** A tensor whose data is loaded when its turn comes. */
export interface TensorToLoad extends Omit<TensorToWrite, 'data'> {
  load(): Promise<TensorToWrite['data']>;
}

/** As `torchFileChunks`, of tensors that are loaded one after the other: at most one is in memory. */
export async function* torchFileStream(
  state: Omit<TorchState, 'tensors'> & { tensors: TensorToLoad[] },
): AsyncGenerator<Uint8Array> {
  const zip = createZipWriter();
  yield* beginning(zip, state);
  for (const [index, { load, ...tensor }] of state.tensors.entries())
    yield* tensorRecord(zip, index, { ...tensor, data: await load() });
  yield* end(zip);
}

function* beginning(zip: ZipWriter, state: StateToPickle): Generator<Uint8Array> {
  yield* record(zip, 'data.pkl', pickleOf(state));
  yield* record(zip, 'byteorder', new TextEncoder().encode('little'));
}

function* end(zip: ZipWriter): Generator<Uint8Array> {
  yield* record(zip, 'version', new TextEncoder().encode('3\n'));
  yield zip.finish();
}

function* record(zip: ZipWriter, name: string, data: Uint8Array): Generator<Uint8Array> {
  yield zip.begin(`${ROOT}/${name}`, data.length);
  yield zip.add(data);
  yield zip.end();
}

function* tensorRecord(zip: ZipWriter, index: number, tensor: TensorToWrite): Generator<Uint8Array> {
  const sizeBytes = elementCount(tensor.shape) * ITEM_BYTES[tensor.dtype];
  yield zip.begin(`${ROOT}/data/${index}`, sizeBytes);
  let written = 0;
  for (const piece of tensor.data instanceof Uint8Array ? [tensor.data] : tensor.data) {
    written += piece.length;
    yield zip.add(piece);
  }
  if (written !== sizeBytes) {
    throw new BadInput(
      `tensor ${tensor.name}: ${tensor.dtype} of shape [${tensor.shape.join(', ')}] has ${sizeBytes} bytes, ` +
        `but its data has ${written}`,
    );
  }
  yield zip.end();
}

type StateToPickle = Omit<TorchState, 'tensors'> & { tensors: Omit<TensorToWrite, 'data'>[] };

function pickleOf({ tensors, wrap = 'state_dict', meta }: StateToPickle): Uint8Array {
  const state = tensors.map(({ name, dtype, shape }, index): [string, PickledTensor] => [
    name,
    { key: String(index), dtype, shape },
  ]);
  if (wrap !== 'none') {
    // mmcv writes meta first.
    return writePickle([...(meta === undefined ? [] : [notes(meta)]), [wrap, { state }]]);
  }
  if (meta !== undefined) {
    throw new BadInput("a flat state dict has no place for meta; use wrap 'state_dict' or 'module'");
  }
  return writePickle({ state });
}

function notes(meta: JsonValue): [string, { plain: JsonValue }] {
  return ['meta', { plain: meta }];
}
