import type { Config } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { DatasetManifest } from '../../core/config/manifests.ts';
import { cropPxOf } from '../../core/config/model-kinds.ts';
import { networkSize } from '../../core/image/test-size.ts';
import { viewKinds } from '../../core/image/views.ts';
import { cropShape } from '../../core/model/crop-shape.ts';
import { slideWindows, windowCount } from '../../core/model/slide-windows.ts';

/** Image ids go through Temporal's history: so many fit well below its limit for one payload. */
const MAX_IMAGES = 50_000;

/**
 * What each image of a split costs to evaluate: as many crops as its views make.
 *
 * @param uri of the manifest, for messages
 * @throws BadInput if there are too many images for one run, or one that the config's crops cannot cover
 */
export function imageCosts(
  { images }: DatasetManifest,
  { model, pipeline }: Pick<Config, 'model' | 'pipeline'>,
  uri: string,
): number[] {
  if (images.length > MAX_IMAGES)
    throw new BadInput(`${uri}: ${images.length} images; at most ${MAX_IMAGES} fit one run: split it`);
  const kinds = viewKinds(pipeline);
  return images.map((image) => {
    let crops = 0;
    for (const { ratio } of kinds) {
      const size = networkSize(image, pipeline.resize, ratio);
      const grid = slideWindows(size, cropShape(model));
      if (!grid)
        throw new BadInput(
          `${uri}: ${image.id} (${image.width}×${image.height} px) becomes ${size.width}×${size.height} px, which ` +
            `${model.test.mode} mode with crops of ${cropPxOf(model)} px cannot cover; see pipeline.resize`,
        );
      crops += windowCount(grid);
    }
    return crops;
  });
}
