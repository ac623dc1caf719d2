import { BadInput } from '../../core/config/failures.ts';
import type { StageDatasetInput } from '../../core/config/stage.ts';
import type { DatasetSource } from './dataset-source.ts';

type Layout = Pick<StageDatasetInput, 'imageDir' | 'imageSuffix' | 'splitFile'>;

/**
 * Ids of a dataset's images, in the order of evaluation: those that the split file lists, or all at any depth.
 *
 * @throws BadInput if the folder or the split file isn't there, has none, or lists one twice
 * @see mmseg 0.30 `CustomDataset.load_annotations`, which sorts names with their suffix
 */
export async function imageIds(source: DatasetSource, layout: Layout): Promise<string[]> {
  const ids =
    layout.splitFile === undefined
      ? await idsOfFolder(source, layout)
      : await idsOfSplit(source, layout.splitFile, layout.imageSuffix);
  // By code units, as Python sorts names: the order of evaluation, and of the coverage digest.
  return ids.sort();
}

async function idsOfFolder(source: DatasetSource, { imageDir, imageSuffix }: Layout): Promise<string[]> {
  const files = await source.list(imageDir);
  const folder = source.nameOf(imageDir);
  if (!files)
    throw new BadInput(
      `${folder}: no such folder; expected the dataset's layout, with images in ${imageDir}/`,
    );
  const ids = files
    .filter((file) => file.endsWith(imageSuffix) && !isHidden(file))
    .map((file) => file.slice(0, -imageSuffix.length));
  if (ids.length === 0) throw new BadInput(`${folder}: no ${imageSuffix} files in it`);
  return ids;
}

async function idsOfSplit(source: DatasetSource, splitFile: string, imageSuffix: string): Promise<string[]> {
  const name = source.nameOf(splitFile);
  const text = await source.read(splitFile);
  if (!text) throw new BadInput(`${name}: no such file; expected one with an image id a line`);
  const lineOf = new Map<string, number>();
  for (const [index, line] of text.toString().split('\n').entries()) {
    const id = line.trim();
    if (id === '') continue;
    const where = `${name}: line ${index + 1}: ${id.slice(0, 200)}`;
    if (id.split('/').some((part) => ['', '.', '..'].includes(part)))
      throw new BadInput(
        `${where}: no image id; expected a path below the images' folder, without ${imageSuffix}`,
      );
    if (lineOf.has(id)) throw new BadInput(`${where}: listed before, in line ${lineOf.get(id)}`);
    lineOf.set(id, index + 1);
  }
  if (lineOf.size === 0) throw new BadInput(`${name}: lists no image`);
  return [...lineOf.keys()];
}

/** Hidden files (macOS leaves `._name.jpg` behind) are no data; mmcv's scandir leaves them out as well. */
export function isHidden(file: string): boolean {
  return file.slice(file.lastIndexOf('/') + 1).startsWith('.');
}
