import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { Device } from '../../core/config/config.ts';
import { InferenceSession, Tensor } from './runtime.ts';
import { sessionFailure } from './session-failure.ts';

export interface SessionOptions {
  device: Device;
  /** Threads of one operator; 0: one for each core. */
  threads: number;
  /** Where a model file's external data is looked for, if not beside it. */
  dataFolder?: string | null;
  /**
   * Whether the memory of all values is laid out in one block, from the second run on; by default on a CPU only. The block
   * comes on top of what the first run took, rounded up to a power of two: for UperNet's batch of 16 it is 34 GB of a
   * GPU, and for the step of a head's training a quarter more. No time is won by it there.
   */
  memoryPattern?: boolean;
  /**
   * Whether nodes that have no CUDA kernel may run on the CPU: in models that others made, which compute shapes there. In
   * ours none may.
   */
  allowCpuNodes?: boolean;
}

/** Else a node that has no CUDA kernel would quietly run on the CPU, copies and all. */
const ON_CUDA = { disable_cpu_ep_fallback: '1' };
/** Threads that spin while they wait take the cores from the other session's, and from decoding: 2 × on a tiny model. */
const ON_CPU = { 'intra_op.allow_spinning': '0' };

/**
 * Opens an ONNX model.
 *
 * @param model a file (external data is looked for beside it), or the bytes of a model without external data
 * @throws BadInput if the device isn't there: never a silent fallback to another one; OutOfMemory if the model doesn't fit;
 *   WorkerLost if the GPU has failed
 */
export async function openSession(
  model: string | Uint8Array,
  options: SessionOptions,
): Promise<InferenceSession> {
  const { device, dataFolder } = options;
  const { threads, memoryPattern, entries } = sessionSettings(options);
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    enableMemPattern: memoryPattern,
    logSeverityLevel: 3,
    extra: { session: entries },
  };
  try {
    // Only a model that comes as bytes may have its data elsewhere.
    const source = typeof model === 'string' && dataFolder ? await readFile(model) : model;
    return typeof source === 'string'
      ? await InferenceSession.create(source, settings)
      : await InferenceSession.create(source, settings);
  } catch (error) {
    throw sessionFailure(error, device, 'opening');
  }
}

/** What a session is opened with, by either binding; keys of `entries` are those of a session's config after `session.`. */
export function sessionSettings(options: SessionOptions): {
  threads: number;
  memoryPattern: boolean;
  entries: Record<string, string>;
} {
  const { device, threads, dataFolder, memoryPattern = device === 'cpu', allowCpuNodes = false } = options;
  const onDevice: Record<string, string> = device === 'cpu' ? ON_CPU : allowCpuNodes ? {} : ON_CUDA;
  return {
    // ONNX Runtime's own default counts cores of the machine, not those that this process may use.
    threads: threads || os.availableParallelism(),
    memoryPattern,
    entries: { ...onDevice, ...dataIn(dataFolder) },
  };
}

function dataIn(folder: string | null | undefined): Record<string, string> {
  return folder ? { model_external_initializers_file_folder_path: folder } : {};
}

/**
 * Runs a session on named inputs.
 *
 * @param outputs those asked for, each with the tensor to write it into, or null for a new one; all of them, if absent
 * @throws OutOfMemory if the batch did not fit; WorkerLost if the GPU has failed
 */
export async function runSession(
  session: InferenceSession,
  inputs: Record<string, Tensor>,
  device: Device,
  outputs?: Record<string, Tensor | null>,
): Promise<Record<string, Tensor>> {
  try {
    return outputs ? await session.run(inputs, outputs) : await session.run(inputs);
  } catch (error) {
    throw sessionFailure(error, device, 'run');
  }
}

export function tensor(data: Uint8Array | Float32Array | BigInt64Array, dims: readonly number[]): Tensor {
  if (data instanceof BigInt64Array) return new Tensor('int64', data, dims);
  return data instanceof Uint8Array ? new Tensor('uint8', data, dims) : new Tensor('float32', data, dims);
}
