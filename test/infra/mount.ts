import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Puts a file system on a folder; undone by what is returned. Null where this user may not. */
export function mountUntil(folder: string, ...options: string[]): (() => void) | null {
  try {
    execFileSync('mount', [...options, folder], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return () => void execFileSync('umount', [folder]);
}

/** Puts a file system on a folder until the test's end; false where this user may not. */
export function mount(folder: string, ...options: string[]): boolean {
  const undo = mountUntil(folder, ...options);
  if (undo) onTestFinished(undo);
  return undo !== null;
}

/** Fills the disk of a folder to its last byte, as someone else's files would; gives what makes room again. */
export function fillDisk(folder: string): () => void {
  const file = join(folder, 'filler');
  const descriptor = openSync(file, 'w');
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4 << 10, 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(descriptor);
  }
  return () => rmSync(file);
}
