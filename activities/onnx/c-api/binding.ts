import { tracingChannel } from 'node:diagnostics_channel';
import type { Device } from '../../../core/config/config.ts';
import { sessionFailure } from '../session-failure.ts';
import { type DeclaredTensor, shapeOf } from './declared-tensor.ts';
import { DeviceTensor, tensorText } from './device-tensor.ts';
import { environment } from './environment.ts';
import { call, callAsync, get, type Pointer, readBytes, readPointers } from './ort-api.ts';
import { Owned } from './owned.ts';
import type { Session } from './session.ts';

/** `{ session, outputs }` of each `run`, for tools that watch the work: infra/cuda-check/watch.mjs. */
const running = tracingChannel('tessera:onnx:run');

/** Where a session's inputs come from and where its outputs go, from run to run. What is bound stays bound. */
export class Binding extends Owned {
  readonly #session: Session;
  readonly #inputs = new Map<string, DeviceTensor>();
  readonly #outputs = new Map<string, DeviceTensor | Device>();
  /** Of a run on another thread. */
  #options: Pointer | null = null;

  constructor(session: Session) {
    super('ReleaseIoBinding', get('CreateIoBinding', session.pointer), session);
    this.#session = session;
  }

  /**
   * Binds a tensor. On CUDA, one on the host is copied to the device here, once: for what changes from run to run bind one
   * of `Session.allocate` and fill it by `copyTensors`.
   *
   * @throws TypeError if the model has no such input, or declares another type or shape for it
   */
  input(name: string, tensor: DeviceTensor): this {
    this.#checkIdle();
    checkDeclared('input', name, this.#session.inputs, tensor);
    tensor.checkUsable();
    this.#attempt(() => call('BindInput', this.pointer, name, tensor.pointer));
    tensor.addUser();
    this.#inputs.get(name)?.removeUser();
    this.#inputs.set(name, tensor);
    return this;
  }

  /**
   * Binds where an output goes: into a tensor, or each time into a new one (see `results`). An input's own tensor is
   * updated in place, if each element of the output depends on no other element of that input.
   *
   * @throws TypeError if the model has no such output, or declares another type or shape for it
   */
  output(name: string, to: DeviceTensor | Device): this {
    this.#checkIdle();
    checkDeclared('output', name, this.#session.outputs, typeof to === 'string' ? null : to);
    if (typeof to === 'string') this.#bindToDevice(name, to);
    else {
      to.checkUsable();
      this.#attempt(() => call('BindOutput', this.pointer, name, to.pointer));
      to.addUser();
    }
    this.#removeUser(name);
    this.#outputs.set(name, to);
    return this;
  }

  /**
   * Runs on this thread, which it blocks.
   *
   * @throws OutOfMemory if the batch did not fit; WorkerLost if the GPU has failed
   */
  run(): void {
    this.#prepare();
    running.traceSync(
      () => this.#attempt(() => call('RunWithBinding', this.#session.pointer, null, this.pointer)),
      { session: this.#session, outputs: this.#outputs },
    );
  }

  /**
   * Runs on a thread of libuv's pool: the event loop stays free. On CUDA prefer `run` on a thread of its own, since each
   * thread of the pool would make handles of cuBLAS and cuDNN.
   *
   * @throws as `run`; Error if `stop` ended it
   */
  runAsync(): Promise<void> {
    this.#prepare();
    return this.#runAsync();
  }

  /** Ends `runAsync` between two operators, with an error. */
  stop(): void {
    if (this.#options) call('RunOptionsSetTerminate', this.#options);
  }

  /**
   * The last run's outputs that were bound to a device and not to a tensor: to be called once a run. Those on the host are
   * copied into arrays of their own.
   */
  results(): Record<string, DeviceTensor> {
    this.#checkIdle();
    const { hostAllocator } = environment();
    const found = new BigUint64Array(2);
    call('GetBoundOutputValues', this.pointer, hostAllocator, found.subarray(0, 1), found.subarray(1));
    const values = readPointers(found[0]!, Number(found[1]));
    call('AllocatorFree', hostAllocator, found[0]!);
    const results: Record<string, DeviceTensor> = {};
    for (const [i, [name, to]] of [...this.#outputs].entries()) {
      const value = values[i]!;
      if (to === 'cuda') {
        const place = { device: to, ...shapeOf(value, name), array: null } as const;
        results[name] = new DeviceTensor(value, place, this.#session);
        continue;
      }
      if (to === 'cpu') results[name] = onHost(value, name);
      call('ReleaseValue', value);
    }
    this.#renewOutputs();
    return results;
  }

  /** @throws Error while it runs */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    for (const tensor of this.#inputs.values()) tensor.removeUser();
    for (const name of this.#outputs.keys()) this.#removeUser(name);
    this.#inputs.clear();
    this.#outputs.clear();
  }

  async #runAsync(): Promise<void> {
    const options = get('CreateRunOptions');
    this.#options = options;
    this.addUser();
    try {
      await callAsync('RunWithBinding', [this.#session.pointer, options, this.pointer], [this]);
    } catch (error) {
      throw sessionFailure(error, this.#session.device, 'run');
    } finally {
      this.removeUser();
      this.#options = null;
      call('ReleaseRunOptions', options);
    }
  }

  #prepare(): void {
    this.#checkIdle();
    for (const tensor of this.#inputs.values()) tensor.checkUsable();
    for (const to of this.#outputs.values()) {
      if (typeof to !== 'string') to.checkUsable();
    }
    this.#renewOutputs();
  }

  #bindToDevice(name: string, device: Device): void {
    this.#attempt(() => call('BindOutputToDevice', this.pointer, name, environment().memory[device]));
  }

  /** Else the next run would write into the tensors that the last one made, and it would keep their memory. */
  #renewOutputs(): void {
    for (const [name, to] of this.#outputs) if (typeof to === 'string') this.#bindToDevice(name, to);
  }

  #checkIdle(): void {
    if (this.pointer && this.#options) throw new Error('a Binding is used while it runs on another thread');
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw sessionFailure(error, this.#session.device, 'run');
    }
  }

  #removeUser(output: string): void {
    const to = this.#outputs.get(output);
    if (to instanceof DeviceTensor) to.removeUser();
  }
}

function onHost(value: Pointer, name: string): DeviceTensor {
  const { dtype, dims } = shapeOf(value, name);
  const bytes = Number(get('GetTensorSizeInBytes', value));
  const data = readBytes(get('GetTensorMutableData', value), bytes);
  return DeviceTensor.onHost(dtype, dims, data);
}

function checkDeclared(
  side: 'input' | 'output',
  name: string,
  declared: ReadonlyMap<string, DeclaredTensor>,
  tensor: DeviceTensor | null,
): void {
  const expected = declared.get(name);
  if (!expected)
    throw new TypeError(
      `the model has no ${side} ${name}; expected one of ${[...declared.keys()].join(', ')}`,
    );
  if (!tensor) return;
  const { dtype, dims } = expected;
  const fits =
    tensor.dtype === dtype &&
    tensor.dims.length === dims.length &&
    dims.every((dim, i) => dim < 0 || dim === tensor.dims[i]);
  if (!fits)
    throw new TypeError(
      `${side} ${name} is given a tensor ${tensorText(tensor)}; expected ${tensorText(expected)}`,
    );
}
