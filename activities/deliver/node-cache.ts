import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BadInput } from '../../core/config/failures.ts';

/** Where a worker keeps what it fetches. */
export interface NodeCache {
  /** What is fetched goes here. */
  folder: string;
  /** What is in this cache is taken from there; null if `folder` is the node's own. */
  readOnly: string | null;
}

/** Of a folder that is someone else's, on a read-only or full disk, or no folder at all. */
const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EEXIST'];
/** More than the room that a file system keeps for the names of small files. */
const PROBE = Buffer.alloc(64 << 10, 1);

/**
 * The node's cache if it can be written to, else a folder of the worker's own beside it.
 *
 * @throws BadInput if there is neither
 */
export async function openNodeCache(folder: string, fallback: string | null): Promise<NodeCache> {
  const trouble = await writeTrouble(folder);
  if (!trouble) return { folder, readOnly: null };
  if (!fallback)
    throw new BadInput(
      `the weights' cache ${folder} can't be written to (${trouble}): ` +
        'let TESSERA_CACHE name a folder that this user may write to, or TESSERA_CACHE_FALLBACK another one',
    );
  const second = await writeTrouble(fallback);
  if (second)
    throw new BadInput(
      `neither the weights' cache ${folder} (${trouble}) nor TESSERA_CACHE_FALLBACK ${fallback} (${second}) can be written to`,
    );
  return { folder: fallback, readOnly: folder };
}

/** The error's code if a folder can't be written to, null if it can. */
async function writeTrouble(folder: string): Promise<string | null> {
  const probe = path.join(folder, `.probe-${randomUUID()}`);
  try {
    await mkdir(folder, { recursive: true });
    try {
      await writeFile(probe, PROBE);
    } finally {
      await rm(probe, { force: true });
    }
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code && UNWRITABLE.includes(code)) return code;
    throw error;
  }
}
