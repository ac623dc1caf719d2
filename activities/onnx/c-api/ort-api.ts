import { createRequire } from 'node:module';
import path from 'node:path';
import { BadInput } from '../../../core/config/failures.ts';
// Loads the library that the package ships, with telemetry off. Both bindings then share one copy and one environment.
import '../runtime.ts';

/*
 * ONNX Runtime's C API, called by FFI: the only file that knows koffi. Pointers are bigints. A wrong one is a segmentation
 * fault, so what a caller gives is checked before it comes here.
 */

export type Pointer = bigint;
type Argument = Pointer | number | string | string[] | ArrayBufferView | null;

/**
 * Functions in use: the place in `struct OrtApi`, whose members are only ever added at its end, and the parameters: `p` a
 * pointer, `z` a size_t, `i` an int, `s` a string, `l` strings. Each gives a status; `Release…` give nothing.
 *
 * @see onnxruntime_c_api.h
 */
const FUNCTIONS = {
  CreateEnv: [3, 'isp'],
  CreateSession: [7, 'pspp'],
  CreateSessionFromArray: [8, 'ppzpp'],
  CreateSessionOptions: [10, 'p'],
  DisableMemPattern: [17, 'p'],
  SetSessionLogSeverityLevel: [22, 'pi'],
  SetIntraOpNumThreads: [24, 'pi'],
  SessionGetInputCount: [30, 'pp'],
  SessionGetOutputCount: [31, 'pp'],
  SessionGetInputTypeInfo: [33, 'pzp'],
  SessionGetOutputTypeInfo: [34, 'pzp'],
  SessionGetInputName: [36, 'pzpp'],
  SessionGetOutputName: [37, 'pzpp'],
  CreateRunOptions: [39, 'p'],
  RunOptionsSetTerminate: [46, 'p'],
  CreateTensorAsOrtValue: [48, 'ppzip'],
  CreateTensorWithDataAsOrtValue: [49, 'ppzpzip'],
  GetTensorMutableData: [51, 'pp'],
  CastTypeInfoToTensorInfo: [55, 'pp'],
  GetTensorElementType: [60, 'pp'],
  GetDimensionsCount: [61, 'pp'],
  GetDimensions: [62, 'ppz'],
  GetTensorTypeAndShape: [65, 'pp'],
  CreateMemoryInfo: [68, 'siiip'],
  AllocatorFree: [76, 'pp'],
  GetAllocatorWithDefaultOptions: [78, 'p'],
  ReleaseStatus: [93, 'p'],
  ReleaseSession: [95, 'p'],
  ReleaseValue: [96, 'p'],
  ReleaseRunOptions: [97, 'p'],
  ReleaseTypeInfo: [98, 'p'],
  ReleaseTensorTypeAndShapeInfo: [99, 'p'],
  ReleaseSessionOptions: [100, 'p'],
  AddSessionConfigEntry: [130, 'pss'],
  CreateAllocator: [131, 'ppp'],
  ReleaseAllocator: [132, 'p'],
  RunWithBinding: [133, 'ppp'],
  CreateIoBinding: [134, 'pp'],
  ReleaseIoBinding: [135, 'p'],
  BindInput: [136, 'psp'],
  BindOutput: [137, 'psp'],
  BindOutputToDevice: [138, 'psp'],
  GetBoundOutputValues: [140, 'pppp'],
  CreateArenaCfg: [156, 'ziiip'],
  ReleaseArenaCfg: [157, 'p'],
  UnregisterAllocator: [177, 'pp'],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, 'pp'],
  CreateCUDAProviderOptions: [205, 'p'],
  UpdateCUDAProviderOptions: [206, 'pllz'],
  ReleaseCUDAProviderOptions: [208, 'p'],
  CreateAndRegisterAllocatorV2: [259, 'psppllz'],
  RegisterExecutionProviderLibrary: [301, 'pss'],
  GetTensorSizeInBytes: [318, 'pp'],
  CopyTensors: [386, 'ppppz'],
} as const satisfies Record<string, [number, string]>;
type Name = keyof typeof FUNCTIONS;
const GET_ERROR_MESSAGE = 2;
/** The API version that brought the last of them. An older library gives no such API. */
const API_VERSION = 23;

/** koffi calls on stacks of its own. Its 128 KiB for asynchronous calls are about what one MatMul takes. */
const STACK_BYTES = 8 << 20;
const POINTER_BYTES = 8n;
const PARAMETERS: Record<string, string> = {
  p: 'void *',
  z: 'size_t',
  i: 'int',
  s: 'str',
  l: 'const char **',
};

type Koffi = typeof import('koffi');
type Call = { (...args: Argument[]): Pointer | null; async: (...args: unknown[]) => void };
interface Api {
  koffi: Koffi;
  calls: Record<Name, Call>;
  errorMessage(status: Pointer): string;
}

let loaded: Api | null = null;

/** Loaded at the first call: a platform that koffi has no binary for can do all that does not need it. */
function api(): Api {
  loaded ??= load();
  return loaded;
}

/** Calls a function. @throws Error with ONNX Runtime's words */
export function call(name: Name, ...args: Argument[]): void {
  check(api().calls[name](...args));
}

/** Calls a function whose last parameter says where to put a pointer, a size or a number. */
export function get(name: Name, ...args: Argument[]): Pointer {
  const out = new BigUint64Array(1);
  call(name, ...args, out);
  return out[0]!;
}

/**
 * Calls a function on a thread of libuv's pool.
 *
 * @param kept what the pointers among the arguments lead to: it is kept from the garbage collector until the call ends
 */
export async function callAsync(
  name: Name,
  args: (Pointer | number | string | null)[],
  kept: unknown[],
): Promise<void> {
  const status = await new Promise<Pointer | null>((resolve, reject) =>
    api().calls[name].async(...args, (error: unknown, result: Pointer | null) => {
      kept.length = 0;
      if (error) reject(error);
      else resolve(result);
    }),
  );
  check(status);
}

/** One by one: for a list, koffi would make a type each time, and keep it. */
export function readPointers(at: Pointer, count: number): Pointer[] {
  const { koffi } = api();
  return Array.from({ length: count }, (_, i) => BigInt(koffi.decode.uint64(at + BigInt(i) * POINTER_BYTES)));
}

export function readString(at: Pointer): string {
  return api().koffi.decode.string(at);
}

/** A copy of bytes at a place. */
export function readBytes(at: Pointer, length: number): ArrayBuffer {
  return length === 0 ? new ArrayBuffer(0) : api().koffi.view(at, length).slice(0);
}

/** Where an array lies. As long as that is in use, the array must be kept, and its buffer not be transferred. */
export function address(array: ArrayBufferView): Pointer {
  return api().koffi.address(array);
}

function check(status: Pointer | null): void {
  if (!status) return;
  const { calls, errorMessage } = api();
  const message = errorMessage(status);
  calls.ReleaseStatus(status);
  throw new Error(message);
}

function load(): Api {
  const koffi = requireKoffi();
  // It can be set once in a thread, and before a library is loaded.
  if (koffi.config().async_stack_size !== STACK_BYTES)
    koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
  const base: Pointer = koffi.load(libraryFile()).func('OrtGetApiBase', 'void *', [])();
  const read = (at: Pointer) => BigInt(koffi.decode.uint64(at));
  const table: Pointer | null = koffi.call(read(base), koffi.proto('void *', ['uint32']), API_VERSION);
  if (table === null) throw new Error(`ONNX Runtime has no C API of version ${API_VERSION}: it is too old`);
  const bound = (place: number, parameters: string, result: string) =>
    koffi.decode(
      read(table + BigInt(place) * POINTER_BYTES),
      koffi.proto(
        result,
        [...parameters].map((letter) => PARAMETERS[letter]!),
      ),
    );
  const calls = Object.entries(FUNCTIONS).map(([name, [place, parameters]]) => [
    name,
    bound(place, parameters, name.startsWith('Release') ? 'void' : 'void *'),
  ]);
  return {
    koffi,
    calls: Object.fromEntries(calls),
    errorMessage: bound(GET_ERROR_MESSAGE, 'p', 'str'),
  };
}

function requireKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi');
  } catch (error) {
    throw new BadInput(
      `the package koffi, by which training calls ONNX Runtime, has no binary here (${process.platform} on ${process.arch}); ` +
        'expected Linux or macOS on x64 or arm64, with optional packages installed (npm ci without --omit=optional)',
      { cause: error },
    );
  }
}

/** Linux knows what is loaded by its name, wherever it came from. */
function libraryFile(): string {
  if (process.platform === 'linux') return 'libonnxruntime.so.1';
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = path.join(path.dirname(main), '../bin/napi-v6', process.platform, process.arch);
  return path.join(folder, 'libonnxruntime.1.dylib');
}
