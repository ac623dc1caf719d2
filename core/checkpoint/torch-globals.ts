import { DTYPES } from '../config/manifests.ts';
import { STORAGE_NAMES } from './dtypes.ts';
import {
  type Callable,
  type Complain,
  describe,
  isBuilt,
  type Opaque,
  type PickleValue,
  type TensorRef,
} from './pickle-values.ts';

/** torch itself stops at 64 dimensions. */
const MAX_DIMENSIONS = 64;
/** How much of a hostile name goes into a message. */
const MAX_NAME_CHARACTERS = 120;

/** All that this reader makes of a checkpoint's pickle. Whatever else it names becomes an opaque stand-in. */
const ALLOWED: ReadonlyMap<string, PickleValue> = new Map<string, PickleValue>([
  ['collections.OrderedDict', callable('collections.OrderedDict', orderedDict)],
  // Called with its factory, which no item needs.
  ['collections.defaultdict', callable('collections.defaultdict', () => new Map())],
  // Whole command lines are noted by some training scripts; BUILD gives their content, which is not needed.
  ['argparse.Namespace', callable('argparse.Namespace', () => new Map())],
  ['torch._utils._rebuild_tensor_v2', callable('torch._utils._rebuild_tensor_v2', rebuildTensor)],
  ['torch._utils._rebuild_parameter', callable('torch._utils._rebuild_parameter', firstTensor)],
  [
    'torch._utils._rebuild_parameter_with_state',
    callable('torch._utils._rebuild_parameter_with_state', firstTensor),
  ],
  ['torch.Size', callable('torch.Size', (args) => sequence(args[0]))],
  ['torch.device', callable('torch.device', ([type, index]) => deviceName(type, index))],
  ...['__builtin__.set', 'builtins.set'].map((name): [string, PickleValue] => [
    name,
    callable(name, (args) => new Set(sequence(args[0]))),
  ]),
  // mmcv notes the best score as a numpy scalar, whose bytes protocol 2 writes as encoded text.
  ['_codecs.encode', callable('_codecs.encode', encodeLatin1)],
  ['numpy.dtype', callable('numpy.dtype', numpyDtype)],
  ...['numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar'].map((name): [string, PickleValue] => [
    name,
    callable(name, numpyScalar),
  ]),
  ...DTYPES.map((dtype): [string, PickleValue] => [
    `torch.${STORAGE_NAMES[dtype]}`,
    { kind: 'storage-type', dtype },
  ]),
  ...DTYPES.map((dtype): [string, PickleValue] => [`torch.${dtype}`, `torch.${dtype}`]),
]);

/** Tensors that torch can save and this reader cannot use. */
const UNSUPPORTED_TENSORS: Record<string, string> = {
  'torch._utils._rebuild_qtensor': 'a quantised tensor',
  'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
  'torch._utils._rebuild_sparse_csr_tensor': 'a sparse tensor',
  'torch._utils._rebuild_nested_tensor': 'a nested tensor',
  'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor without data (device meta)',
  'torch._utils._rebuild_tensor_v3': 'a tensor of a type newer than float32, float16, bfloat16 and int64',
  'torch._tensor._rebuild_from_type_v2': 'a tensor of a subclass',
};

/**
 * What no checkpoint has any honest use for. Nothing would run here, but the file's owner should know.
 */
const HARMFUL =
  /^((os|posix|nt|subprocess|sys|pty|shutil|socket|importlib|imp|runpy|code|ctypes|webbrowser|pickle|_pickle|marshal)\.|(builtins|__builtin__)\.(eval|exec|execfile|compile|__import__|open|file|input|getattr|setattr|delattr|globals|locals|vars|breakpoint|exit|quit|apply)$)/;

/**
 * What a name in a torch pickle stands for. What is not known becomes an opaque stand-in: training scripts note their
 * logs, counters, paths, dates and random states beside the tensors.
 *
 * @throws BadData (from `complain`) for what would run a command elsewhere
 */
export function resolveTorchGlobal(qualifiedName: string, complain: Complain): PickleValue {
  const allowed = ALLOWED.get(qualifiedName);
  if (allowed !== undefined) return allowed;
  const name = printable(qualifiedName);
  const tensor = Object.hasOwn(UNSUPPORTED_TENSORS, qualifiedName)
    ? UNSUPPORTED_TENSORS[qualifiedName]
    : undefined;
  if (HARMFUL.test(qualifiedName))
    throw complain(
      `the pickle calls ${name}: refused, nothing was executed; a state dict needs no such call: ` +
        'if you trust the file, load it with torch and save its state_dict() alone',
    );
  if (tensor !== undefined) return { kind: 'opaque', name, tensor: `${tensor} (${name})` };
  if (/^torch\.\w+Storage$/.test(qualifiedName))
    return { kind: 'opaque', name, tensor: `a tensor of an unsupported type (${name})` };
  return { kind: 'opaque', name };
}

/** A storage from torch's persistent id: `('storage', type, key, location, count)`. */
export function loadTorchStorage(id: PickleValue, complain: Complain): PickleValue {
  const [tag, type, key, , count] = Array.isArray(id) ? id : [];
  if (tag === 'storage' && isBuilt(type, 'opaque')) return type;
  if (tag !== 'storage' || !isBuilt(type, 'storage-type') || typeof key !== 'string' || !isCount(count)) {
    throw complain('its pickle refers to something that is no tensor storage');
  }
  return { kind: 'storage', dtype: type.dtype, key, count };
}

function callable(name: string, call: Callable['call']): Callable {
  return { kind: 'callable', name, call };
}

function orderedDict(args: readonly PickleValue[], complain: Complain): PickleValue {
  const dict = new Map<PickleValue, PickleValue>();
  if (args.length === 0) return dict;
  const pairs = args[0];
  for (const pair of Array.isArray(pairs) ? pairs : [null]) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw complain('its pickle makes an OrderedDict of no pairs');
    dict.set(pair[0]!, pair[1]!);
  }
  return dict;
}

function rebuildTensor(args: readonly PickleValue[], complain: Complain): TensorRef | Opaque {
  const [storage, offset, shape, strides] = args;
  if (isBuilt(storage, 'opaque')) return storage;
  if (!isBuilt(storage, 'storage') || !isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
    throw complain(
      `its pickle makes a tensor of ${describe(storage)}, ${describe(offset)}, ${describe(shape)} and ` +
        `${describe(strides)}, instead of a storage, an offset, a shape and strides`,
    );
  }
  if (shape.length !== strides.length || shape.length > MAX_DIMENSIONS) {
    throw complain(`its pickle makes a tensor with ${shape.length} sizes and ${strides.length} strides`);
  }
  return { kind: 'tensor', storage, offset, shape: [...shape], strides: [...strides] };
}

function firstTensor(args: readonly PickleValue[], complain: Complain): PickleValue {
  const tensor = args[0];
  if (isBuilt(tensor, 'opaque')) return tensor;
  if (!isBuilt(tensor, 'tensor')) throw complain(`its pickle makes a parameter of ${describe(tensor)}`);
  return tensor;
}

function encodeLatin1(args: readonly PickleValue[]): PickleValue {
  const [text, encoding] = args;
  if (typeof text !== 'string' || encoding !== 'latin1') return { kind: 'opaque', name: 'bytes' };
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function numpyDtype(args: readonly PickleValue[]): PickleValue {
  const code = args[0];
  if (typeof code !== 'string' || !Object.hasOwn(SCALAR_READERS, code))
    return { kind: 'opaque', name: 'numpy.dtype' };
  return { kind: 'numpy-dtype', code };
}

const SCALAR_READERS: Record<string, { bytes: number; read: (view: DataView) => PickleValue }> = {
  f8: { bytes: 8, read: (view) => view.getFloat64(0, true) },
  f4: { bytes: 4, read: (view) => view.getFloat32(0, true) },
  i8: { bytes: 8, read: (view) => Number(view.getBigInt64(0, true)) },
  i4: { bytes: 4, read: (view) => view.getInt32(0, true) },
  u1: { bytes: 1, read: (view) => view.getUint8(0) },
  b1: { bytes: 1, read: (view) => view.getUint8(0) !== 0 },
};

function numpyScalar(args: readonly PickleValue[], complain: Complain): PickleValue {
  const [dtype, bytes] = args;
  if (isBuilt(dtype, 'opaque') || isBuilt(bytes, 'opaque')) return { kind: 'opaque', name: 'numpy.generic' };
  const reader = isBuilt(dtype, 'numpy-dtype') ? SCALAR_READERS[dtype.code] : undefined;
  if (reader === undefined || !(bytes instanceof Uint8Array) || bytes.length !== reader.bytes) {
    throw complain(`its pickle makes a numpy value of ${describe(dtype)} and ${describe(bytes)}`);
  }
  return reader.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
}

function deviceName(type: PickleValue | undefined, index: PickleValue | undefined): string {
  if (typeof type !== 'string') return 'device';
  return typeof index === 'number' ? `${type}:${index}` : type;
}

function sequence(value: PickleValue | undefined): PickleValue[] {
  return Array.isArray(value) ? value : [];
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: PickleValue | undefined): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

function printable(name: string): string {
  const clean = name.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > MAX_NAME_CHARACTERS ? `${clean.slice(0, MAX_NAME_CHARACTERS)}…` : clean;
}
