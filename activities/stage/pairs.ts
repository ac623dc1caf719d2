import type { AnnotationFormat } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { StageDatasetInput } from '../../core/config/stage.ts';
import type { DatasetSource } from './dataset-source.ts';
import { imageIds, isHidden } from './image-ids.ts';

type Layout = Pick<
  StageDatasetInput,
  'imageDir' | 'annotationDir' | 'imageSuffix' | 'annotationSuffix' | 'splitFile' | 'annotationFormat'
>;

/** An image and its annotation by their paths in the source, which are their keys at the destination. */
export interface Pair {
  id: string;
  imageKey: string;
  /** Null where the split has no annotations. */
  annotationKey: string | null;
  annotationFormat: AnnotationFormat;
  /** The file that lists it, for messages. */
  splitFile: string | undefined;
}

/** How many names a sentence about files that are left out gives as examples. */
const EXAMPLES = 3;

/**
 * The images of a split with their annotations, and sentences about what beside them is left out.
 *
 * @throws BadInput as `imageIds`, or if there are no annotations at all
 */
export async function listPairs(
  source: DatasetSource,
  layout: Layout,
): Promise<{ pairs: Pair[]; leftOut: string[] }> {
  const { annotationDir, annotationSuffix } = layout;
  const ids = await imageIds(source, layout);
  const pairs = ids.map((id) => ({
    id,
    imageKey: `${layout.imageDir}/${id}${layout.imageSuffix}`,
    annotationKey: annotationDir === undefined ? null : `${annotationDir}/${id}${annotationSuffix}`,
    annotationFormat: layout.annotationFormat ?? 'labels',
    splitFile: layout.splitFile,
  }));
  const annotations = annotationDir === undefined ? [] : await source.list(annotationDir);
  if (!annotations)
    throw new BadInput(
      `${source.nameOf(annotationDir!)}: no such folder; expected the annotations of ${layout.imageDir}/. ` +
        'A split that has none is staged with --no-annotations, to be predicted',
    );
  const images = (await source.list(layout.imageDir)) ?? [];
  return { pairs, leftOut: leftOut(source, layout, { ids: new Set(ids), images, annotations }) };
}

function leftOut(
  source: DatasetSource,
  { imageDir, annotationDir, imageSuffix, annotationSuffix, splitFile }: Layout,
  { ids, images, annotations }: { ids: Set<string>; images: string[]; annotations: string[] },
): string[] {
  const isImage = (file: string) => file.endsWith(imageSuffix);
  const isAnnotation = (file: string) => file.endsWith(annotationSuffix);
  const about = (folder: string, files: string[], why: string) =>
    files.length > 0 ? [`${source.nameOf(folder)}: ${why}, left out: ${examples(files)}`] : [];
  // Others' annotations and images are what a split file is there to leave out.
  if (splitFile !== undefined) {
    const others = images.filter((file) => isImage(file) && !ids.has(file.slice(0, -imageSuffix.length)));
    return about(imageDir, others, `not listed in ${splitFile}`);
  }
  const foreign = images.filter(
    (file) => !isImage(file) && !isHidden(file) && !(imageDir === annotationDir && isAnnotation(file)),
  );
  const alone = annotations.filter(
    (file) => isAnnotation(file) && !isHidden(file) && !ids.has(file.slice(0, -annotationSuffix.length)),
  );
  return [
    ...about(imageDir, foreign, `no ${imageSuffix} files`),
    ...about(annotationDir ?? '', alone, `annotations without an image in ${imageDir}/`),
  ];
}

function examples(files: string[]): string {
  const shown = [...files].sort().slice(0, EXAMPLES).join(', ');
  return files.length > EXAMPLES ? `${shown}, … (${files.length} files)` : shown;
}
