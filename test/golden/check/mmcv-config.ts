import { z } from 'zod';
import type { ResizeConfig } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { type VitConfig, vitConfig } from '../../../core/config/model-kinds.ts';
import { parseAs, parseConfig } from '../../../core/config/parse.ts';

/** The part of an mmcv config (as JSON) that decides what a test computes. */
const transform = z.looseObject({ type: z.string() });
const Mmcv = z.looseObject({
  model: z.looseObject({
    backbone: z.looseObject({
      pretrain_size: z.int(),
      img_size: z.int(),
      patch_size: z.int(),
      embed_dim: z.int(),
      depth: z.int(),
      num_heads: z.int(),
      mlp_ratio: z.number(),
      qk_normalization: z.boolean(),
      out_indices: z.array(z.int()),
    }),
    decode_head: z.looseObject({
      type: z.string(),
      channels: z.int(),
      num_classes: z.int(),
      pool_scales: z.array(z.int()).optional(),
    }),
    auxiliary_head: z.looseObject({ channels: z.int(), num_classes: z.int(), in_index: z.int() }).optional(),
    test_cfg: z.looseObject({
      mode: z.enum(['slide', 'whole']),
      crop_size: z.tuple([z.int(), z.int()]).optional(),
      stride: z.tuple([z.int(), z.int()]).optional(),
    }),
  }),
  data: z.looseObject({
    test: z.looseObject({
      img_dir: z.string(),
      ann_dir: z.string(),
      pipeline: z.array(
        z.looseObject({
          type: z.string(),
          img_scale: z.tuple([z.int(), z.int()]).optional(),
          transforms: z.array(transform).optional(),
        }),
      ),
    }),
  }),
});

type MmcvHead = z.infer<typeof Mmcv>['model']['decode_head'];

/** What of a golden run is beyond what Tessera computes so far. */
export class NotImplemented extends Error {}

/**
 * Turns the original's config into ours.
 *
 * @param overrides `model.backbone.img_size: 56` and the like
 * @throws NotImplemented for a head that we don't build yet
 */
export function fromMmcv(json: unknown, overrides: Record<string, unknown>, where: string): VitConfig {
  const mmcv = parseAs(Mmcv, withOverrides(json, overrides), where);
  const { backbone, decode_head: head, auxiliary_head: auxiliary, test_cfg: test } = mmcv.model;
  const { img_dir: imageDir, ann_dir: annotationDir } = mmcv.data.test;
  const aug = mmcv.data.test.pipeline.find((step) => step.type === 'MultiScaleFlipAug');
  const transforms = aug?.transforms ?? [];
  const normalize = transforms.find((step) => step.type === 'Normalize');
  return vitConfig(
    parseConfig(
      {
        name: where,
        model: {
          backbone: {
            type: 'InternViT',
            pretrainSizePx: backbone.pretrain_size,
            imageSizePx: backbone.img_size,
            patchSizePx: backbone.patch_size,
            embedDim: backbone.embed_dim,
            depth: backbone.depth,
            heads: backbone.num_heads,
            mlpRatio: backbone.mlp_ratio,
            qkNormalization: backbone.qk_normalization,
            taps: backbone.out_indices,
          },
          head: headOf(head),
          ...(auxiliary
            ? {
                auxiliaryHead: {
                  channels: auxiliary.channels,
                  level: auxiliary.in_index,
                  classes: auxiliary.num_classes,
                },
              }
            : {}),
          test:
            test.mode === 'whole'
              ? { mode: 'whole' }
              : { mode: 'slide', cropPx: backbone.img_size, stridePx: test.stride?.[0] },
        },
        dataset: {
          type: 'ADE20K',
          classes: 'ade20k',
          imageDir,
          annotationDir,
          imageSuffix: '.jpg',
          annotationSuffix: '.png',
          reduceZeroLabel: true,
        },
        pipeline: {
          resize: resizeOf(aug?.img_scale, transforms),
          mean: normalize?.mean,
          std: normalize?.std,
        },
        run: { device: 'cpu', precision: 'float32', batch: 2, workers: 1, shards: 1, overlays: 0 },
      },
      where,
    ),
  );
}

function headOf({ type, channels, num_classes: classes, pool_scales: poolScales }: MmcvHead) {
  if (type === 'FCNHead') return { type: 'linear', channels, classes };
  if (type === 'UPerHead') return { type: 'upernet', channels, poolScales, classes };
  throw new NotImplemented(`head ${type}`);
}

function resizeOf(
  scale: [number, number] | undefined,
  transforms: z.infer<typeof transform>[],
): ResizeConfig {
  if (!scale) throw new BadInput('no MultiScaleFlipAug with img_scale in the test pipeline');
  const multiplePx = Number(transforms.find((step) => step.type === 'ResizeToMultiple')?.size_divisor ?? 1);
  if (transforms.some((step) => step.type === 'SETR_Resize'))
    return { type: 'short-side', shortSidePx: Math.min(...scale), multiplePx };
  const keepsRatio = transforms.find((step) => step.type === 'Resize')?.keep_ratio;
  return keepsRatio
    ? { type: 'fit', longPx: Math.max(...scale), shortPx: Math.min(...scale), multiplePx }
    : { type: 'exact', widthPx: scale[0], heightPx: scale[1] };
}

function withOverrides(json: unknown, overrides: Record<string, unknown>): unknown {
  const copy = structuredClone(json);
  for (const [key, value] of Object.entries(overrides)) {
    const path = key.split('.');
    const last = path.pop()!;
    let here = copy as Record<string, unknown>;
    for (const part of path) here = here[part] as Record<string, unknown>;
    here[last] = value;
  }
  return copy;
}
