import type { Config } from '../../core/config/config.ts';
import { type Checkpoints, ensureCheckpoints, publishedCheckpoints } from '../../core/config/published.ts';

/**
 * The checkpoints that options name, or those that are published for the config; none for an ONNX model.
 *
 * @throws as `publishedCheckpoints`, and BadInput for checkpoints beside an ONNX model
 */
export function checkpointsOf(
  config: Pick<Config, 'name' | 'published' | 'model'>,
  { weights, head, published }: { weights?: string; head?: string; published?: string },
): Partial<Checkpoints> {
  if (config.model.type === 'onnx') {
    ensureCheckpoints(config, { weights, head });
    return {};
  }
  const found = weights === undefined ? publishedCheckpoints(config, published) : { weights };
  return head === undefined ? found : { ...found, head };
}
