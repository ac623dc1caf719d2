import { BadData } from '../config/failures.ts';
import type { ReadAt } from '../store.ts';
import type { CheckpointIndex, IndexedTensor } from './checkpoint-index.ts';
import { contiguousStrides, elementCount, ITEM_BYTES } from './dtypes.ts';
import { KIND_BYTES, notACheckpoint } from './file-kind.ts';
import { knownForm } from './known-forms.ts';
import { MAX_PICKLE_BYTES, readPickle } from './pickle.ts';
import { describe, isBuilt, type PickleDict, plainValue, type TensorRef } from './pickle-values.ts';
import { type RangedFile, readExactly } from './read-exactly.ts';
import { loadTorchStorage, resolveTorchGlobal } from './torch-globals.ts';
import { readZipDirectory, storedDataOffset, type ZipDirectory, type ZipEntry } from './zip.ts';

export { readTensor, toFloat32 } from './tensor-data.ts';

/** Local headers are read so many at a time: over a network each costs a round trip. */
const HEADERS_AT_ONCE = 32;
/** Names of tensors are paths through modules. */
const MAX_KEY_CHARACTERS = 1_000;

/**
 * The index of a torch checkpoint: its state dict, out of what wraps it. A `module.` before the names, as
 * DistributedDataParallel puts it, is taken off.
 */
export interface TorchFile extends CheckpointIndex {
  /** The `meta` entry as plain data (mmseg: CLASSES, PALETTE, versions); undefined if there is none. */
  meta: unknown;
}

/**
 * Opens a torch checkpoint (`.pth`, `.pt`, `.bin` of torch >= 1.6): reads where its tensors lie, not their data.
 *
 * @param name what messages call the file
 * @throws BadData if it is no such file, is damaged or truncated, or its pickle would run a command elsewhere
 * @see torch 2.2 `torch/serialization.py` `_save`, `_load`; mmcv 1.7 `load_checkpoint`
 */
export async function openTorchFile(name: string, sizeBytes: number, readAt: ReadAt): Promise<TorchFile> {
  const { top, place, complain } = await openTorchDict(name, sizeBytes, readAt);
  const { state, unreadable } = stateDict(top, complain);
  const meta = top.get('meta');
  return {
    name,
    meta: meta === undefined || isBuilt(meta, 'tensor') ? undefined : plainValue(meta, complain),
    topLevelKeys: [...top.keys()].filter((key) => typeof key === 'string'),
    tensors: await place(state),
    unreadable,
  };
}

/** The dict of a torch file, whatever it holds: an optimizer's state, for example. */
export interface TorchDict {
  top: PickleDict;
  /** Finds where tensors of it lie. */
  place(tensors: [string, TensorRef][]): Promise<Map<string, IndexedTensor>>;
  complain(what: string): BadData;
}

/** As `openTorchFile`, without looking for a state dict. */
export async function openTorchDict(name: string, sizeBytes: number, readAt: ReadAt): Promise<TorchDict> {
  const file: RangedFile = { name, sizeBytes, readAt };
  const complain = (what: string) => new BadData(`${name}: ${what}`);
  const head = await readExactly(file, 0, Math.min(KIND_BYTES, sizeBytes), 'the beginning');
  const otherKind = notACheckpoint(head);
  if (otherKind !== undefined) throw complain(otherKind);

  const directory = await readZipDirectory(file);
  const archive = await openArchive(file, directory);
  const top = readPickle(archive.pickle, {
    complain,
    resolveGlobal: (qualifiedName) => resolveTorchGlobal(qualifiedName, complain),
    loadPersistent: (id) => loadTorchStorage(id, complain),
  });
  if (isBuilt(top, 'opaque'))
    throw complain(
      `holds a whole ${top.name}, not a dict of tensors: load it with torch and save its state_dict()`,
    );
  if (!(top instanceof Map)) throw complain(`holds ${describe(top)}, not the dict of a checkpoint`);

  const place = async (tensors: [string, TensorRef][]) => {
    const storages = await locateStorages(file, directory, archive.root, tensors);
    return new Map(
      storages.map(({ key, tensor, entry, dataOffset }) => [
        key,
        placeTensor(name, key, tensor, entry, dataOffset),
      ]),
    );
  };
  return { top, place, complain };
}

/** Finds `ROOT/data.pkl`, checks what lies beside it, and reads it. */
async function openArchive(
  file: RangedFile,
  directory: ZipDirectory,
): Promise<{ root: string; pickle: Uint8Array }> {
  const complain = (what: string) => new BadData(`${file.name}: ${what}`);
  const pickles = [...directory.entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const entry = pickles[0];
  if (entry === undefined) {
    const inside = [...directory.entries.keys()].slice(0, 3).join(', ') || 'nothing';
    throw complain(`is a zip archive without a data.pkl, so no torch checkpoint (it holds ${inside})`);
  }
  if (pickles.length > 1) throw complain(`has ${pickles.length} entries data.pkl; torch writes one`);
  const root = entry.name.slice(0, -'/data.pkl'.length);
  if (directory.entries.has(`${root}/constants.pkl`)) {
    throw complain('is a TorchScript archive (a program); save the state_dict() of the model instead');
  }
  const order = directory.entries.get(`${root}/byteorder`);
  if (order !== undefined) {
    const text = new TextDecoder().decode(await readEntry(file, directory, order, 64));
    if (text !== 'little')
      throw complain(`has byte order ${JSON.stringify(text)}, but only "little" is read`);
  }
  return { root, pickle: await readEntry(file, directory, entry, MAX_PICKLE_BYTES) };
}

async function readEntry(
  file: RangedFile,
  directory: ZipDirectory,
  entry: ZipEntry,
  maxBytes: number,
): Promise<Uint8Array> {
  if (entry.sizeBytes > maxBytes) {
    throw new BadData(`${file.name}: ${entry.name} has ${entry.sizeBytes} bytes, more than ${maxBytes}`);
  }
  const offset = await storedDataOffset(file, directory, entry);
  return readExactly(file, offset, entry.sizeBytes, `zip entry ${entry.name}`);
}

/**
 * What lies around a state dict, in this order: mmcv and mmengine, DeepSpeed (as InternVL's backbone looks for it), and
 * the habits of others.
 */
const WRAPPERS = ['state_dict', 'module', 'model', 'model_state_dict'];

/** The tensors by name. What else a state dict holds (`_extra_state`) is no parameter and left out. */
function stateDict(
  top: PickleDict,
  complain: (what: string) => BadData,
): { state: [string, TensorRef][]; unreadable: Map<string, string> } {
  const wrapped = WRAPPERS.map((key) => top.get(key)).find((value) => value instanceof Map);
  const state = new Map<string, TensorRef>();
  const unreadable = new Map<string, string>();
  for (const [key, value] of wrapped ?? top) {
    const reason = isBuilt(value, 'opaque') ? value.tensor : undefined;
    if (!isBuilt(value, 'tensor') && reason === undefined) continue;
    if (typeof key !== 'string' || key.length > MAX_KEY_CHARACTERS) {
      throw complain(`its state dict names a tensor by ${describe(key)}, not by a name of usual length`);
    }
    const name = key.replace(/^module\./, '');
    if (isBuilt(value, 'tensor')) state.set(name, value);
    else unreadable.set(name, reason!);
  }
  if (state.size === 0) throw complain(noTensors(top, unreadable));
  return { state: [...state], unreadable };
}

function noTensors(top: PickleDict, unreadable: Map<string, string>): string {
  const [first] = unreadable;
  if (first)
    return `${first[0]} is ${first[1]}, as are all of its tensors: convert them to dense float tensors and save it again`;
  const keys = [...top.keys()].filter((key) => typeof key === 'string');
  const form = knownForm([], keys);
  return (
    `holds no tensors in ${WRAPPERS.join(', in ')}, or at its top level ` +
    `(top-level keys: ${keys.slice(0, 10).join(', ') || 'none'})${form ? `. ${form}` : ''}`
  );
}

interface LocatedTensor {
  key: string;
  tensor: TensorRef;
  entry: ZipEntry;
  dataOffset: number;
}

/** Where the storage of each tensor begins; storages that several tensors share are looked up once. */
async function locateStorages(
  file: RangedFile,
  directory: ZipDirectory,
  root: string,
  state: [string, TensorRef][],
): Promise<LocatedTensor[]> {
  const needed = new Map<string, ZipEntry>();
  for (const [key, tensor] of state) {
    const entry = directory.entries.get(`${root}/data/${tensor.storage.key}`);
    if (entry === undefined) {
      throw new BadData(
        `${file.name}: tensor ${key} lies in data/${tensor.storage.key}, which the file lacks`,
      );
    }
    needed.set(tensor.storage.key, entry);
  }
  const offsets = new Map<string, number>();
  const keys = [...needed.keys()];
  for (let from = 0; from < keys.length; from += HEADERS_AT_ONCE) {
    const some = keys.slice(from, from + HEADERS_AT_ONCE);
    const found = await Promise.all(some.map((key) => storedDataOffset(file, directory, needed.get(key)!)));
    for (const [index, key] of some.entries()) offsets.set(key, found[index]!);
  }
  return state.map(([key, tensor]) => ({
    key,
    tensor,
    entry: needed.get(tensor.storage.key)!,
    dataOffset: offsets.get(tensor.storage.key)!,
  }));
}

/** @throws BadData if the view leaves its storage */
function placeTensor(
  fileName: string,
  key: string,
  tensor: TensorRef,
  entry: ZipEntry,
  dataOffset: number,
): IndexedTensor {
  const { storage, shape, strides } = tensor;
  const itemBytes = ITEM_BYTES[storage.dtype];
  const count = elementCount(shape);
  const reach = shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, tensor.offset) + 1;
  const end = count === 0 ? tensor.offset : reach;
  if (!Number.isSafeInteger(count * itemBytes) || end > storage.count || end * itemBytes > entry.sizeBytes) {
    throw new BadData(
      `${fileName}: tensor ${key} of shape [${shape.join(', ')}] needs ${end} elements of its storage, ` +
        `but ${entry.name} has ${Math.min(storage.count, Math.floor(entry.sizeBytes / itemBytes))}`,
    );
  }
  const dense = contiguousStrides(shape);
  return {
    name: key,
    dtype: storage.dtype,
    shape,
    strides,
    contiguous: count === 0 || shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]),
    offset: dataOffset + tensor.offset * itemBytes,
    length: count * itemBytes,
  };
}
