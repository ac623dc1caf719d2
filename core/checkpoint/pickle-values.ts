import type { BadData } from '../config/failures.ts';
import type { DType } from '../config/manifests.ts';

/** Makes the failure that names the file: `complain('what is wrong')`. */
export type Complain = (what: string) => BadData;

/** What reading a pickle can give. Lists are arrays, tuples frozen arrays, dicts Maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleDict
  | Set<PickleValue>
  | Callable
  | Opaque
  | StorageType
  | StorageRef
  | TensorRef
  | NumpyDtype;

export type PickleDict = Map<PickleValue, PickleValue>;

/** One of the few functions or classes that a pickle may call. */
export interface Callable {
  kind: 'callable';
  name: string;
  call: (args: readonly PickleValue[], complain: Complain) => PickleValue;
}

/**
 * Stands for a class or function that is not known here, and for whatever a pickle makes of it: a log, a path, a random
 * state. It is never called, and what the pickle puts into it is dropped.
 */
export interface Opaque {
  kind: 'opaque';
  /** `mmengine.logging.history_buffer.HistoryBuffer` */
  name: string;
  /** What it is if it is a tensor that can't be read: `a quantised tensor`. */
  tensor?: string;
}

export interface StorageType {
  kind: 'storage-type';
  dtype: DType;
}

/** A storage: the zip entry `data/{key}`. */
export interface StorageRef {
  kind: 'storage';
  dtype: DType;
  key: string;
  count: number;
}

/** A view into a storage; offset and strides in elements. */
export interface TensorRef {
  kind: 'tensor';
  storage: StorageRef;
  offset: number;
  shape: number[];
  strides: number[];
}

export interface NumpyDtype {
  kind: 'numpy-dtype';
  code: string;
}

type Built = Extract<PickleValue, { kind: string }>;

export function isBuilt<K extends Built['kind']>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<Built, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

/** How a message calls a value. */
export function describe(value: PickleValue | undefined): string {
  if (value === null || value === undefined) return 'None';
  if (Array.isArray(value)) return Object.isFrozen(value) ? 'a tuple' : 'a list';
  if (value instanceof Map) return 'a dict';
  if (value instanceof Set) return 'a set';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value !== 'object') return `a ${typeof value}`;
  return value.kind === 'callable' || value.kind === 'opaque' ? value.name : `a ${value.kind}`;
}

/** A dict of a checkpoint's notes nests three or four levels; a list that holds itself nests for ever. */
const MAX_DEPTH = 64;
/** A list that holds another twice, which holds another twice … doubles with each level. */
const MAX_PLAIN_VALUES = 1_000_000;

/**
 * The value as plain data: objects, arrays, numbers, strings, booleans, null.
 * Whole numbers beyond 2^53 become decimal strings, tensors and bytes a short description.
 *
 * @throws BadData (from `complain`) if it nests too deeply or grows too large
 */
export function plainValue(value: PickleValue, complain: Complain): unknown {
  let budget = MAX_PLAIN_VALUES;
  const convert = (part: PickleValue, depth: number): unknown => {
    if (depth > MAX_DEPTH) throw complain(`its notes nest deeper than ${MAX_DEPTH} levels`);
    if (--budget < 0) throw complain(`its notes hold more than ${MAX_PLAIN_VALUES} values`);
    if (typeof part === 'bigint') return part.toString();
    if (part === null || typeof part !== 'object') return part;
    if (Array.isArray(part)) return part.map((item) => convert(item, depth + 1));
    if (part instanceof Set) return [...part].map((item) => convert(item, depth + 1));
    if (part instanceof Map) {
      // fromEntries defines own properties, so a key named __proto__ stays a key.
      return Object.fromEntries([...part].map(([key, item]) => [keyText(key), convert(item, depth + 1)]));
    }
    return `<${describe(part)}>`;
  };
  return convert(value, 0);
}

function keyText(key: PickleValue): string {
  return key === null || typeof key === 'object' ? `<${describe(key)}>` : String(key);
}
