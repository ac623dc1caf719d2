import { existsSync } from 'node:fs';
import { link, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Session } from '../../cli/session.ts';
import { joinUri } from '../../core/store.ts';

export interface PlacedObject {
  uri: string;
  way: 'linked' | 'uploaded';
  remove(): Promise<void>;
}

/**
 * Makes an object of a big file. The local stack's server keeps objects as plain files, so there a hard link does,
 * which takes no time and no disk; elsewhere the file is uploaded.
 *
 * @param stateFolder of the local stack; the file must be on the same disk
 */
export async function placeObject(
  { store, bucket }: Pick<Session, 'store' | 'bucket'>,
  stateFolder: string,
  file: string,
  key: string,
): Promise<PlacedObject> {
  const uri = joinUri(`s3://${bucket}`, key);
  const root = path.join(stateFolder, 's3', bucket);
  if (!existsSync(root)) {
    await store.upload(uri, file);
    return { uri, way: 'uploaded', remove: () => store.remove(uri) };
  }
  const place = path.join(root, key);
  await mkdir(path.dirname(place), { recursive: true });
  await rm(place, { force: true });
  await link(file, place);
  // Removed through S3, a versioned object would only be moved.
  return { uri, way: 'linked', remove: () => rm(place, { force: true }) };
}
