import { stat } from 'node:fs/promises';
import { BadInput } from '../../core/config/failures.ts';
import { folderSource } from './folder-source.ts';
import { openZipSource } from './zip-source.ts';

/** A dataset as a user has it, by the paths of its layout: folder or zip, the keys are the same. */
export interface DatasetSource extends AsyncDisposable {
  /** Paths of all files below a folder of the layout, relative to it; null if there is no such folder. */
  list(folder: string): Promise<string[] | null>;
  /**
   * A file's first bytes, or all of it; null if there is none.
   *
   * @throws BadData naming it if it is damaged, as far as that can be seen by these bytes
   */
  read(key: string, firstBytes?: number): Promise<Buffer | null>;
  /** What messages call a file or a folder of the layout. */
  nameOf(key: string): string;
}

/**
 * Opens a folder, or a zip that is read in place: nothing is unpacked.
 *
 * @param imageDir tells a zip's top folder from the layout's own folders
 * @throws BadInput if there is no such thing, BadData for a zip that is damaged or hostile
 */
export async function openDatasetSource(source: string, imageDir: string): Promise<DatasetSource> {
  if (/^[a-z0-9]+:\/\//i.test(source))
    throw new BadInput(`${source}: a dataset is staged from a folder or a zip file; download it first`);
  const info = await stat(source).catch(() => {
    throw new BadInput(`${source}: no such file or folder`);
  });
  return info.isDirectory() ? folderSource(source) : openZipSource(source, imageDir);
}
