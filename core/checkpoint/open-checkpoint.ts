import type { ReadAt } from '../store.ts';
import type { CheckpointIndex } from './checkpoint-index.ts';
import { readExactly } from './read-exactly.ts';
import { isSafetensors, openSafetensors } from './safetensors-file.ts';
import { openTorchFile } from './torch-file.ts';

/** Enough to distinguish the two forms. */
const HEAD_BYTES = 16;

/**
 * Opens a checkpoint of either form, torch's or safetensors: reads where its tensors lie, not their data.
 *
 * @param name what messages call the file
 * @throws as `openTorchFile` and `openSafetensors`
 */
export async function openCheckpoint(
  name: string,
  sizeBytes: number,
  readAt: ReadAt,
): Promise<CheckpointIndex> {
  const file = { name, sizeBytes, readAt };
  const head = await readExactly(file, 0, Math.min(HEAD_BYTES, sizeBytes), 'the beginning');
  return isSafetensors(head) ? openSafetensors(file) : openTorchFile(name, sizeBytes, readAt);
}
