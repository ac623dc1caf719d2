import type { Dirent } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BadInput } from '../../core/config/failures.ts';
import type { DatasetSource } from './dataset-source.ts';

/** Deeper than any dataset: a link that leads back to a folder above it ends here. */
const MAX_DEPTH = 16;

/** A dataset in a folder. Links are followed, as people link their disks into a dataset's folder. */
export function folderSource(root: string): DatasetSource {
  const nameOf = (key: string) => path.join(root, key);
  return {
    nameOf,
    list: async (folder) => {
      const top = await unlessMissing(readdir(nameOf(folder), { withFileTypes: true }), nameOf(folder));
      return top && filesBelow(nameOf(folder), '', top, 1);
    },
    read: (key, firstBytes) =>
      unlessMissing(
        firstBytes === undefined ? readFile(nameOf(key)) : readHead(nameOf(key), firstBytes),
        nameOf(key),
      ),
    async [Symbol.asyncDispose]() {},
  };
}

async function filesBelow(root: string, prefix: string, entries: Dirent[], depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH)
    throw new BadInput(`${path.join(root, prefix)}: more than ${MAX_DEPTH} folders deep: a link to itself?`);
  const files: string[] = [];
  for (const entry of entries) {
    const relative = `${prefix}${entry.name}`;
    const file = path.join(root, relative);
    const isFolder = entry.isSymbolicLink() ? (await stat(file)).isDirectory() : entry.isDirectory();
    if (!isFolder) files.push(relative);
    else {
      const below = await readdir(file, { withFileTypes: true });
      files.push(...(await filesBelow(root, `${relative}/`, below, depth + 1)));
    }
  }
  return files;
}

async function readHead(file: string, firstBytes: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(firstBytes), 0, firstBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function unlessMissing<T>(reading: Promise<T>, name: string): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new BadInput(`${name}: cannot be read (${code})`, { cause: error });
  }
}
