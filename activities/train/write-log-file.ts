import { TypedFailure } from '../../core/config/failures.ts';
import type { Store } from '../../core/store.ts';
import type { LogFile } from '../../core/train/log-files.ts';

/**
 * Writes one file of a training's log. If a file that is never read again cannot be written (for example without the
 * permission for it), the training continues without the file.
 *
 * @throws as `Store.write`; for such a file only Unavailable
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
