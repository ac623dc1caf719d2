import { BadData } from '../config/failures.ts';
import type { ReadAt } from '../store.ts';

/** A file that is read by byte range. `name` is what messages call it. */
export interface RangedFile {
  name: string;
  sizeBytes: number;
  readAt: ReadAt;
}

/**
 * Reads exactly `length` bytes at `offset`.
 *
 * @param what what the bytes are, for the message
 * @throws BadData if the range leaves the file, or fewer bytes come back
 */
export async function readExactly(
  file: RangedFile,
  offset: number,
  length: number,
  what: string,
): Promise<Uint8Array> {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isRange || offset + length > file.sizeBytes) {
    throw new BadData(
      `${file.name}: truncated: ${what} should lie at bytes ${offset} to ${offset + length}, ` +
        `but the file has ${file.sizeBytes} bytes; copy it again`,
    );
  }
  if (length === 0) return new Uint8Array(0);
  const bytes = await file.readAt(offset, length);
  if (bytes.length !== length) {
    throw new BadData(
      `${file.name}: truncated: ${what} at byte ${offset} has ${bytes.length} of ${length} bytes; copy it again`,
    );
  }
  return bytes;
}
