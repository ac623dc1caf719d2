import type { VitModel } from '../config/model-kinds.ts';
import { backboneName, namingOf } from './backbone.ts';
import { headName } from './head.ts';

/**
 * Names here of a checkpoint's tensors, whoever published it: `backbone.…`, `decode_head.…`, `auxiliary_head.…`.
 * What belongs to no part of a model counts as the backbone's.
 *
 * @param keys all names in the checkpoint: they show which naming it follows
 */
export function tensorNames(
  keys: Iterable<string>,
  model: Pick<VitModel, 'backbone' | 'head'>,
): (key: string) => string {
  const naming = namingOf(model.backbone, keys);
  return (key) => headName(model, key) ?? backboneName(naming, key);
}
