import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

/** What a cached file looked like when its digest was found right; any write to it since changes one of these. */
const MarkSchema = z.strictObject({
  sizeBytes: z.int(),
  /** Decimal nanoseconds, which a JavaScript number would round. */
  modifiedNs: z.string(),
  inode: z.string(),
  /** After a crash a file may have its size and not its bytes, since nothing was synced: look again. */
  bootId: z.string().nullable(),
});
type Mark = z.infer<typeof MarkSchema>;

/** Where a whole object lies in a node's cache. */
export function cachedObject(cacheFolder: string, { sha256 }: { sha256: string }): string {
  return path.join(cacheFolder, 'objects', sha256);
}

/** Notes beside a file that its bytes are what they should be. */
export async function markVerified(file: string): Promise<void> {
  // Not by the process's id: in containers that share a cache, everyone is number 1.
  const temporary = `${file}.ok.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(await lookAt(file)));
  await rename(temporary, `${file}.ok`);
}

/** Whether a file is still the one that was verified, as far as a look from outside can tell. */
export async function isVerified(file: string): Promise<boolean> {
  try {
    const mark = MarkSchema.parse(JSON.parse(await readFile(`${file}.ok`, 'utf8')));
    const now = await lookAt(file);
    return Object.entries(now).every(([key, value]) => mark[key as keyof Mark] === value);
  } catch {
    // No mark, or a damaged one: nothing is known.
    return false;
  }
}

/** Removes a file and what is noted about it. */
export async function removeMarked(file: string): Promise<void> {
  await rm(`${file}.ok`, { force: true });
  await rm(file, { force: true });
}

async function lookAt(file: string): Promise<Mark> {
  const { size, mtimeNs, ino } = await stat(file, { bigint: true });
  return {
    sizeBytes: Number(size),
    modifiedNs: String(mtimeNs),
    inode: String(ino),
    bootId: await bootId(),
  };
}

/** Of the running kernel; null where it doesn't tell (macOS), and files must be synced instead. */
export async function bootId(): Promise<string | null> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
}
