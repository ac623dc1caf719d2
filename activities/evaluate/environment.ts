import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { Device } from '../../core/config/config.ts';
import { env } from '../onnx/runtime.ts';

export const ORT_VERSION = env.versions.node ?? 'unknown';

/** What computes: the CPU's name, or the GPU's. */
export async function deviceName(device: Device): Promise<string> {
  if (device === 'cpu') return os.cpus()[0]?.model ?? 'CPU';
  return (await nvidiaSmi('name')) ?? 'CUDA device';
}

/** Version of the GPU's driver; null on a CPU, or where nvidia-smi is not to be had. */
export async function driverVersion(device: Device): Promise<string | null> {
  return device === 'cuda' ? nvidiaSmi('driver_version') : null;
}

async function nvidiaSmi(field: string): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', [
      `--query-gpu=${field}`,
      '--format=csv,noheader',
    ]);
    return stdout.split('\n')[0]!.trim();
  } catch {
    return null;
  }
}
