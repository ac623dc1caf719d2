import { statfs } from 'node:fs/promises';
import { Unavailable } from '../core/config/failures.ts';

/** Of a disk that has no room: Node's codes, and the system's words where a library only quotes those. */
const FULL = ['ENOSPC', 'EDQUOT'];
const FULL_TEXT = /No space left on device|Disk quota exceeded/;

/** What shall be written to a disk, as messages say it. */
export interface DiskNeed {
  folder: string;
  what: string;
  bytes: number;
  /** By which a user may choose another disk. */
  variable: 'TESSERA_CACHE' | 'TESSERA_SCRATCH' | 'TESSERA_STATE';
}

/** @throws Unavailable if the folder's disk has too little room: another machine's, or this one later, may have it */
export async function ensureRoom(need: DiskNeed): Promise<void> {
  const { bavail, bsize } = await statfs(need.folder);
  const free = bavail * bsize;
  if (free < need.bytes)
    throw new Unavailable(`${need.folder}: ${inUnits(free)} of disk are free, but ${demand(need)}`);
}

/** Does what writes to a disk. @throws Unavailable if that fills up meanwhile, and whatever else is thrown */
export async function withRoom<T>(need: DiskNeed, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    throw new Unavailable(`${need.folder}: the disk is full; ${demand(need)}`, { cause: error });
  }
}

export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && FULL.includes(String(error.code))) || FULL_TEXT.test(error.message);
}

function demand({ what, bytes, variable }: DiskNeed): string {
  return `${what} needs ${inUnits(bytes)}: make room, or let ${variable} name a folder on another disk`;
}

function inUnits(bytes: number): string {
  const [unit, size]: [string, number] =
    bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : ['kB', 1e3];
  return `${(bytes / size).toFixed(1)} ${unit}`;
}
