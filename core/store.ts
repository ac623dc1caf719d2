import { NotFound } from './config/failures.ts';

/** What Tessera asks of an object store. URIs are `s3://bucket/key`. */
export interface Store {
  /** Size and identity of an object. @throws BadInput if bucket or key do not exist, or access is denied */
  head(uri: string): Promise<ObjectInfo>;
  /** A whole object, or `length` bytes of it from `offset`. @throws as `head` */
  read(uri: string, range?: ByteRange): Promise<Buffer>;
  /** Writes or replaces an object. */
  write(uri: string, body: Uint8Array, options?: WriteOptions): Promise<void>;
  /** Writes only if the key is free (a conditional write). */
  writeOnce(uri: string, body: Uint8Array, options?: WriteOptions): Promise<'written' | 'exists'>;
  /** Uploads a file, or what chunks come, in parts, for what is too big for one buffer. */
  upload(
    uri: string,
    source: string | AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Promise<void>;
  /** Removes an object; one that isn't there is no error. */
  remove(uri: string): Promise<void>;
  /** Every object below a prefix, in key order. */
  list(prefix: string): Promise<{ uri: string; sizeBytes: number }[]>;
  /**
   * Finds out whether objects can be written below a folder in the way that publishing does it, and leaves nothing.
   *
   * @throws BadInput with what to set, Unavailable
   */
  checkWrites(folder: string): Promise<void>;
}

export interface ObjectInfo {
  sizeBytes: number;
  etag: string;
  /** Absent where the bucket keeps no versions. */
  versionId?: string;
}

export interface ByteRange {
  offset: number;
  length: number;
}

export interface WriteOptions {
  contentType?: string;
}

/** Reads `length` bytes at `offset` of something: a file, a buffer, an object. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Joins `s3://bucket/prefix` and a relative key with exactly one slash. */
export function joinUri(prefix: string, ...parts: string[]): string {
  return [prefix.replace(/\/+$/, ''), ...parts].join('/');
}

/** Where an object lies: its URI up to the last slash. */
export function folderOf(uri: string): string {
  return uri.slice(0, uri.lastIndexOf('/'));
}

/** What is read of an object, or null where it doesn't exist. Without its bucket, and for any other failure: that. */
export async function unlessAbsent<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof NotFound && error.what === 'object') return null;
    throw error;
  }
}
