import { Readable } from 'node:stream';
import type { ByteRange, Store } from '../../core/store.ts';

/** Which of an object's states is meant: ranges that are read one after the other must be of one and the same. */
export interface ObjectPin {
  /** The version that a plan names; it stays what it is, whatever is written over it. */
  versionId?: string;
  /** Else the state that was there when the fetch began. */
  etag?: string;
}

/** A store that gives a range as a stream, so that its first bytes are written before its last ones are there. */
export interface StreamingStore extends Store {
  /** @throws as `Store.read`, and BadData if the object is no longer the one that is meant */
  stream(uri: string, range: ByteRange, pin: ObjectPin): Promise<Readable>;
}

/** As much of a store as fetching an object takes. */
export type ObjectSource = Pick<Store, 'head' | 'read'> | Pick<StreamingStore, 'head' | 'stream'>;

/** A range of an object as a stream, from any store. */
export async function streamRange(
  store: ObjectSource,
  uri: string,
  range: ByteRange,
  pin: ObjectPin,
): Promise<Readable> {
  if ('stream' in store) return store.stream(uri, range, pin);
  return Readable.from([await store.read(uri, range)]);
}
