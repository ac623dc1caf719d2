import { TypedFailure } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import type { LogFile } from '../../core/train/log-files.ts';

/**
 * Writes one of the files of a training's log. A training continues without one that nothing reads again, such as one that
 * rights of an earlier version don't cover.
 *
 * @throws as `Store.write`; Unavailable alone for such a file
 */
export async function writeLogFile(
  store: Store,
  { uri, bytes, contentType, isRead }: LogFile,
): Promise<void> {
  try {
    await store.write(uri, bytes, { contentType });
  } catch (error) {
    const mayPass = error instanceof TypedFailure && error.failureClass === 'Unavailable';
    if (isRead || mayPass) throw error;
    console.error(`${uri} is left out: ${error instanceof Error ? error.message : error}`);
  }
}
