import { askGpu } from '../../../activities/onnx/gpu.ts';
import type { Device } from '../../../core/config/config.ts';
import type { Bench } from './phase.ts';

/** Bytes in use: of the whole GPU by nvidia-smi, null without it; on a CPU of this process. */
export async function usedMemory(device: Device): Promise<number | null> {
  if (device === 'cpu') return process.memoryUsage().rss;
  return mebibytes(await askGpu('memory.used'));
}

/** Bytes of the whole GPU; null on a CPU, and without nvidia-smi. */
export async function totalMemory(device: Device): Promise<number | null> {
  return device === 'cpu' ? null : mebibytes(await askGpu('memory.total'));
}

/** What was taken between two readings. */
export function taken(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
}

export function gb(bytes: number | null): string {
  return bytes === null ? 'unknown' : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What fails is a line of the report: the next one may do. */
export async function attempt({ record }: Bench, what: string, work: () => Promise<void>): Promise<void> {
  await work().catch((error) => record({ what, error: messageOf(error) }, `${what}: ${messageOf(error)}`));
}

function mebibytes(text: string | null): number | null {
  const count = Number(text);
  return count > 0 ? count * 2 ** 20 : null;
}
