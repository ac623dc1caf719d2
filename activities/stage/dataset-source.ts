import { stat } from 'node:fs/promises';
import { BadInput } from '../../core/config/failures.ts';
import type { StageDatasetInput } from '../../core/config/stage.ts';
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

type Sources = Pick<StageDatasetInput, 'source' | 'annotationSource' | 'imageDir' | 'annotationDir'>;

/**
 * Opens a folder, or a zip that is read in place: nothing is unpacked. Images and annotations may come from one each, as
 * many datasets are published.
 *
 * @throws BadInput if there is no such thing, BadData for a zip that is damaged or hostile
 */
export async function openDatasetSource(sources: Sources): Promise<DatasetSource> {
  const { source, annotationSource, imageDir, annotationDir } = sources;
  const images = await openOne(source, imageDir);
  if (annotationSource === undefined || annotationDir === undefined) return images;
  try {
    return joinSources(images, await openOne(annotationSource, annotationDir), annotationDir);
  } catch (error) {
    await images[Symbol.asyncDispose]();
    throw error;
  }
}

/** Two sources as one: annotations out of the second, all else out of the first, or the second if it isn't there. */
function joinSources(
  images: DatasetSource,
  annotations: DatasetSource,
  annotationDir: string,
): DatasetSource {
  const sourceOf = (key: string) => (`${key}/`.startsWith(`${annotationDir}/`) ? annotations : images);
  return {
    nameOf: (key) => sourceOf(key).nameOf(key),
    list: (folder) => sourceOf(folder).list(folder),
    read: async (key, firstBytes) =>
      (await sourceOf(key).read(key, firstBytes)) ??
      (sourceOf(key) === images ? annotations.read(key, firstBytes) : null),
    async [Symbol.asyncDispose]() {
      await images[Symbol.asyncDispose]();
      await annotations[Symbol.asyncDispose]();
    },
  };
}

/** @param folder distinguishes a zip's top folder from the layout's own folders */
async function openOne(source: string, folder: string): Promise<DatasetSource> {
  if (/^[a-z0-9]+:\/\//i.test(source))
    throw new BadInput(`${source}: a dataset is staged from a folder or a zip file; download it first`);
  const info = await stat(source).catch(() => {
    throw new BadInput(`${source}: no such file or folder`);
  });
  if (info.isDirectory()) return folderSource(source);
  if (/\.(tar|tar\.\w+|tgz|7z|rar)$/i.test(source))
    throw new BadInput(`${source}: only zips are read as they are; unpack it, and give the folder`);
  return openZipSource(source, folder);
}
