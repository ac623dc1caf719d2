import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/**
 * A new name for a folder that one writer alone writes to: not the run's, as a lost trainer that is still at work may
 * share the disk with its successor. It says by whom it is written: machine and process.
 */
export function writerName(): string {
  return `${os.hostname()}-${process.pid}-${randomUUID()}`;
}

/**
 * Removes what writers on this machine have left that were killed. A folder whose process lives stays, and so does one
 * whose number another process has by now, or of another machine: that costs room, while the other way would cost work.
 */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, host, pid] = /^(.+)-(\d+)-[0-9a-f-]{36}$/.exec(name) ?? [];
    if (host !== os.hostname() || isAlive(Number(pid))) continue;
    // What may not be removed, as another user's may not, is no reason not to train.
    await rm(path.join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, but is there.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
