import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Remote } from '../http-remote.ts';

/** Nobody comes back for a beginning that is so old. */
const ABANDONED_MS = 7 * 24 * 3_600_000;

/**
 * The file that a download grows in. Its name says of which file behind the URL it is the beginning: after a change
 * there the download begins in another one, and two workers that write the same file write the same bytes.
 *
 * @param name the URL without its query: a signed URL's next signature finds the beginning again
 */
export async function partialFile(folder: string, name: string, remote: Remote): Promise<string> {
  const prefix = `${digest(name)}-`;
  const file = `${prefix}${remote.etag === null ? randomUUID() : digest(JSON.stringify(remote))}.partial`;
  await mkdir(folder, { recursive: true });
  for (const other of await readdir(folder)) {
    const otherFile = path.join(folder, other);
    // What the server had before it changed is of no use any more.
    const isOutdated = other.startsWith(prefix) && other !== file;
    if (isOutdated || (await isAbandoned(otherFile))) await discardPartial(otherFile);
  }
  return path.join(folder, file);
}

/** Removes the beginnings of downloads by parts that nobody comes back for, and their journals. */
export async function discardAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = path.join(folder, name);
    if (/\.partial(\.parts)?$/.test(name) && (await isAbandoned(file))) await discardPartial(file);
  }
}

export async function bytesAtHand(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

export async function discardPartial(file: string): Promise<void> {
  await rm(file, { force: true });
}

async function isAbandoned(file: string): Promise<boolean> {
  return stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > ABANDONED_MS,
    () => false,
  );
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
