import os from 'node:os';
import type { Device } from '../../core/config/config.ts';
import { askGpu } from '../onnx/gpu.ts';
import { env } from '../onnx/runtime.ts';

export const ORT_VERSION = env.versions.node ?? 'unknown';

/** What computes: the CPU's name, or the GPU's. */
export async function deviceName(device: Device): Promise<string> {
  if (device === 'cpu') return os.cpus()[0]?.model ?? 'CPU';
  return (await askGpu('name')) ?? 'CUDA device';
}

/** Version of the GPU's driver; null on a CPU, or where nvidia-smi is not to be had. */
export async function driverVersion(device: Device): Promise<string | null> {
  return device === 'cuda' ? askGpu('driver_version') : null;
}
