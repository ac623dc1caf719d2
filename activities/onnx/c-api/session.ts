import { tracingChannel } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import type { Device } from '../../../core/config/config.ts';
import type { DType } from '../../../core/config/manifests.ts';
import { ELEMENT_TYPE } from '../../../core/onnx/element-types.ts';
import { type SessionOptions, sessionSettings } from '../session.ts';
import { sessionFailure } from '../session-failure.ts';
import { Binding } from './binding.ts';
import { type DeclaredTensor, declaredTensors } from './declared-tensor.ts';
import { checkedCount, DeviceTensor, shapeArguments } from './device-tensor.ts';
import { environment } from './environment.ts';
import { address, call, callAsync, get, type Pointer } from './ort-api.ts';
import { Owned } from './owned.ts';

export interface DeviceSessionOptions extends SessionOptions {
  /** More entries of a session's config, such as `session.use_env_allocators`. */
  entries?: Record<string, string>;
  /**
   * Options of the CUDA provider, such as `use_tf32`, `gpu_mem_limit` (bytes) and `arena_extend_strategy`.
   *
   * @see OrtCUDAProviderOptionsV2
   */
  cuda?: Record<string, string>;
}

const ERROR_LEVEL = 3;

/** `{ model, options }`, then the `result` or `error`, for tools that watch what is opened: infra/cuda-check/watch.mjs. */
const opening = tracingChannel('tessera:onnx:open');

/**
 * A model that is open on a device, and whose inputs and outputs may stay there between runs.
 * It is disposed of last: after its tensors and bindings.
 */
export class Session extends Owned {
  readonly device: Device;
  readonly inputs: ReadonlyMap<string, DeclaredTensor>;
  readonly outputs: ReadonlyMap<string, DeclaredTensor>;
  #allocator: Pointer | null = null;

  private constructor(pointer: Pointer, device: Device) {
    super('ReleaseSession', pointer, null);
    this.device = device;
    this.inputs = declaredTensors(pointer, 'Input');
    this.outputs = declaredTensors(pointer, 'Output');
  }

  /**
   * Opens an ONNX model on a thread of libuv's pool: the event loop stays free.
   *
   * @param model a file (external data is looked for beside it), or the bytes of a model
   * @throws BadInput if the device isn't there; OutOfMemory if the model doesn't fit; WorkerLost if the GPU has failed
   */
  static open(model: string | Uint8Array, options: DeviceSessionOptions): Promise<Session> {
    return opening.tracePromise(() => Session.#open(model, options), { model, options });
  }

  static async #open(model: string | Uint8Array, options: DeviceSessionOptions): Promise<Session> {
    try {
      // Only a model that comes as bytes may have its data elsewhere.
      const source = typeof model === 'string' && options.dataFolder ? await readFile(model) : model;
      return new Session(await createSession(source, options), options.device);
    } catch (error) {
      throw sessionFailure(error, options.device, 'opening');
    }
  }

  /**
   * A tensor in the memory of the session's device. On CUDA its content is not defined, on the host it is zeros.
   *
   * @throws OutOfMemory if the device has no room for it
   */
  allocate<T extends DType>(dtype: T, dims: readonly number[]): DeviceTensor<T> {
    const { device } = this;
    checkedCount(dims);
    if (device === 'cpu') return DeviceTensor.onHost(dtype, dims);
    try {
      this.#allocator ??= get('CreateAllocator', this.pointer, environment().memory[device]);
      const pointer = get(
        'CreateTensorAsOrtValue',
        this.#allocator,
        ...shapeArguments(dims),
        ELEMENT_TYPE[dtype],
      );
      return new DeviceTensor(pointer, { device, dtype, dims, array: null }, this);
    } catch (error) {
      throw sessionFailure(error, device, 'run');
    }
  }

  bind(): Binding {
    return new Binding(this);
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    // After the session: the memory of its tensors was the allocator's.
    if (this.#allocator) call('ReleaseAllocator', this.#allocator);
    this.#allocator = null;
  }
}

async function createSession(
  model: string | Uint8Array,
  { device, entries = {}, cuda = {}, ...options }: DeviceSessionOptions,
): Promise<Pointer> {
  const { pointer } = environment();
  const { threads, memoryPattern, entries: own } = sessionSettings({ ...options, device });
  const settings = get('CreateSessionOptions');
  const out = new BigUint64Array(1);
  try {
    call('SetIntraOpNumThreads', settings, threads);
    call('SetSessionLogSeverityLevel', settings, ERROR_LEVEL);
    if (!memoryPattern) call('DisableMemPattern', settings);
    for (const [key, value] of Object.entries(own))
      call('AddSessionConfigEntry', settings, `session.${key}`, value);
    for (const [key, value] of Object.entries(entries)) call('AddSessionConfigEntry', settings, key, value);
    if (device === 'cuda') addCuda(settings, cuda);
    if (typeof model === 'string')
      await callAsync('CreateSession', [pointer, model, settings, address(out)], [out]);
    else {
      const bytes = [address(model), model.byteLength];
      await callAsync('CreateSessionFromArray', [pointer, ...bytes, settings, address(out)], [model, out]);
    }
    return out[0]!;
  } finally {
    call('ReleaseSessionOptions', settings);
  }
}

function addCuda(settings: Pointer, options: Record<string, string>): void {
  const cuda = get('CreateCUDAProviderOptions');
  try {
    const keys = Object.keys(options);
    if (keys.length > 0) call('UpdateCUDAProviderOptions', cuda, keys, Object.values(options), keys.length);
    call('SessionOptionsAppendExecutionProvider_CUDA_V2', settings, cuda);
  } finally {
    call('ReleaseCUDAProviderOptions', cuda);
  }
}
