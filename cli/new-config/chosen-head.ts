import { parseDocument } from 'yaml';
import { BadInput } from '../../core/config/failures.ts';
import { readConfig } from './nearest-config.ts';

/** InternVL's head tuning: its UperNet, auxiliary head and training. */
const UPERNET = 'head_tuning/upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
/** Channels of mmseg's UperNet on backbones of a usual width; InternVL's on a wide one has 1536. */
const USUAL_CHANNELS = 512;
const WIDE = { embedDim: 3200, channels: 1536 };

export type HeadKind = 'linear' | 'upernet';

/**
 * The last block for a linear head; for UperNet four at equal distances, as InternVL chooses them.
 *
 * @throws BadInput if there are too few blocks to choose
 */
export function defaultTaps(head: HeadKind, depth: number): number[] {
  if (head === 'linear') return [depth - 1];
  if (depth < 4) throw new BadInput(`--head upernet: takes four blocks, and the model has ${depth}`);
  return [1, 2, 3, 4].map((quarter) => Math.round((quarter * depth) / 4) - 1);
}

/** The fields `head` and `auxiliaryHead` of a config's model. */
export function chosenHead(
  type: HeadKind,
  { embedDim, taps, classes }: { embedDim: number; taps: number; classes: number },
): { head: object; auxiliaryHead?: object } {
  if (type === 'linear') return { head: { type, channels: embedDim * taps, classes } };
  const channels = embedDim >= WIDE.embedDim ? WIDE.channels : USUAL_CHANNELS;
  return {
    head: { type, channels, poolScales: [1, 2, 3, 6], classes },
    auxiliaryHead: { channels, level: 1, classes },
  };
}

/** How InternVL trains UperNet on frozen blocks: a YAML node of a `train` section. */
export async function upernetTraining(): Promise<unknown> {
  return parseDocument(await readConfig(UPERNET)).get('train', true);
}
