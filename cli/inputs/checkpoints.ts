import type { Config } from '../../core/config/config.ts';
import { type Checkpoints, publishedCheckpoints } from '../../core/config/published.ts';

/** The checkpoints that options name, or those that are published for the config. @throws as `publishedCheckpoints` */
export function checkpointsOf(
  config: Pick<Config, 'name' | 'published'>,
  { weights, head, published }: { weights?: string; head?: string; published?: string },
): Checkpoints {
  const found = weights === undefined ? publishedCheckpoints(config, published) : { weights };
  return head === undefined ? found : { ...found, head };
}
