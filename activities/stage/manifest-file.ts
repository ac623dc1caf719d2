import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { NotFound, TypedFailure } from '../../core/config/failures.ts';
import { type Store, unlessAbsent } from '../../core/store.ts';

/** A manifest that an earlier staging left; null if there is none, or none that can be read. */
export async function readEarlier<T extends z.ZodType>(
  store: Store,
  uri: string,
  schema: T,
): Promise<z.infer<T> | null> {
  try {
    return schema.parse(JSON.parse((await store.read(uri)).toString()));
  } catch (error) {
    if (error instanceof TypedFailure && !(error instanceof NotFound)) throw error;
    return null;
  }
}

/** Writes a manifest (not at all if it is there with the same bytes) and returns its SHA-256. */
export async function writeManifest(store: Store, uri: string, manifest: unknown): Promise<string> {
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  const there = await unlessAbsent(store.read(uri));
  if (!there?.equals(bytes)) await store.write(uri, bytes, { contentType: 'application/json' });
  return createHash('sha256').update(bytes).digest('hex');
}
