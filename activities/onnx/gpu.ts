import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device } from '../../core/config/config.ts';
import { BadInput, OutOfMemory } from '../../core/config/failures.ts';
import { hasKernels } from '../../core/config/gpus.ts';
import { memoryText } from '../../core/model/device-memory.ts';

/** nvidia-smi answers in a second; a driver that hangs never does. */
const ANSWER_WITHIN_MS = 10_000;

/** What nvidia-smi says of the GPU that this process uses; null without it. */
export async function askGpu(field: string, env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  // The first that CUDA may see is the one that a session runs on.
  const [visible] = (env.CUDA_VISIBLE_DEVICES ?? '').split(',');
  const args = [
    ...(visible ? [`--id=${visible}`] : []),
    `--query-gpu=${field}`,
    '--format=csv,noheader,nounits',
  ];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', args, { timeout: ANSWER_WITHIN_MS });
    return stdout.split('\n')[0]!.trim() || null;
  } catch {
    return null;
  }
}

/**
 * Checks that a GPU can run a model before anything of it is loaded. Without an answer of nvidia-smi it is tried.
 *
 * @param need bytes that it is expected to take
 * @param what of the message: `run.batch=16 of tiny`
 * @throws BadInput if the CUDA provider has no kernels for it, OutOfMemory if its memory is too small
 */
export async function checkGpu(device: Device, need: number, what: string): Promise<void> {
  if (device !== 'cuda') return;
  const capability = await askGpu('compute_cap');
  if (capability && /^\d+\.\d+$/.test(capability) && !hasKernels(capability))
    throw new BadInput(
      `${(await askGpu('name')) ?? 'this GPU'} has compute capability ${capability}, for which ONNX Runtime's CUDA provider has no kernels; ` +
        'expected 7.5, 8.x, 9.0 or 12.x (docs/operations.md, GPUs)',
    );
  const total = Number(await askGpu('memory.total')) * 2 ** 20;
  if (total > 0 && need > total)
    throw new OutOfMemory(
      `${what} needs about ${memoryText(need)} of device memory, and this GPU has ${memoryText(total)}`,
    );
}
