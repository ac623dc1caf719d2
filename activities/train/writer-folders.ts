import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/**
 * A new name for a folder with a single writer. It contains the machine and the process, not the run: a lost trainer
 * that still runs may share the disk with its successor.
 */
export function writerName(): string {
  return `${os.hostname()}-${process.pid}-${randomUUID()}`;
}

/**
 * Removes folders of killed writers on this machine. A folder stays if its process runs, if its process id is in use
 * again, or if it is of another machine: a remaining folder costs disk space, a wrong removal would lose a checkpoint.
 */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, host, pid] = /^(.+)-(\d+)-[0-9a-f-]{36}$/.exec(name) ?? [];
    if (host !== os.hostname() || isAlive(Number(pid))) continue;
    // A folder that cannot be removed (another user's) must not stop the training.
    await rm(path.join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process cannot be signalled, but exists.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
