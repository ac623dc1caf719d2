import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { NotFound } from '../../core/config/failures.ts';
import { type ByteRange, joinUri, type Store } from '../../core/store.ts';

/** The objects of a run, by their names relative to its folder, wherever that is. */
export interface RunFiles {
  /** `s3://bucket/prefix`, or a folder of this machine. */
  folder: string;
  kind: 's3' | 'local';
  uriOf(name: string): string;
  /** @throws NotFound */
  read(name: string, range?: ByteRange): Promise<Buffer>;
  list(): Promise<{ name: string; sizeBytes: number }[]>;
  /** Another one where the content has changed: S3's ETag. */
  identity(name: string): Promise<string>;
}

export function storeFiles(store: Store, folder: string): RunFiles {
  const uriOf = (name: string) => joinUri(folder, name);
  return {
    folder,
    kind: 's3',
    uriOf,
    read: (name, range) => store.read(uriOf(name), range),
    identity: async (name) => (await store.head(uriOf(name))).etag,
    async list() {
      const objects = await store.list(`${folder}/`);
      return objects.map(({ uri, sizeBytes }) => ({ name: uri.slice(folder.length + 1), sizeBytes }));
    },
  };
}

export function localFiles(folder: string): RunFiles {
  const uriOf = (name: string) => path.join(folder, ...name.split('/'));
  return {
    folder,
    kind: 'local',
    uriOf,
    read: (name, range) => readLocal(uriOf(name), range),
    identity: async (name) => String((await stat(uriOf(name))).mtimeMs),
    async list() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      return Promise.all(
        entries
          .filter((entry) => entry.isFile())
          .map(async ({ parentPath, name }) => {
            const file = path.join(parentPath, name);
            const relative = path.relative(folder, file).split(path.sep).join('/');
            return { name: relative, sizeBytes: (await stat(file)).size };
          }),
      );
    },
  };
}

async function readLocal(file: string, range?: ByteRange): Promise<Buffer> {
  try {
    if (!range) return await readFile(file);
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(range.length),
      0,
      range.length,
      range.offset,
    );
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new NotFound('object', file);
    throw error;
  }
}
