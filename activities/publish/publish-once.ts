import { type Store, unlessAbsent } from '../../core/store.ts';

/** Something that is published: a JSON that describes it, and files beside that. */
export interface Publication<T> {
  /** Of the JSON. */
  uri: string;
  /** What is published there. @throws NotFound if nothing is */
  read(store: Store, uri: string): Promise<T>;
  /** Writes the files beside the JSON, and gives what that is to say. */
  make(): Promise<T>;
}

export interface PublishedOnce<T> {
  value: T;
  /** `exists`: the value is that of an earlier attempt, or of a faster one. */
  status: 'written' | 'exists';
}

/**
 * Publishes once: what is there already is left as it is, and is the answer. The JSON is written last of all, which so
 * is there only if everything else is.
 */
export async function publishOnce<T>(
  store: Store,
  { uri, read, make }: Publication<T>,
): Promise<PublishedOnce<T>> {
  // Asked first, so that the files beside a finished JSON stay those that it describes.
  const earlier = await unlessAbsent(read(store, uri));
  if (earlier !== null) return { value: earlier, status: 'exists' };
  const value = await make();
  const body = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  const status = await store.writeOnce(uri, body, { contentType: 'application/json' });
  // Another attempt may have been faster: then what it says is what is published.
  return { value: status === 'written' ? value : await read(store, uri), status };
}
