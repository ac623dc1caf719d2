import type { z } from 'zod';
import type { Naming, Vit } from '../vit.ts';

/** A family of backbones: the form of its config, the transformer that it means, and the names in its checkpoints. */
export interface Family<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  vit(config: z.infer<Schema>): Vit;
  /** The original repository's names come last: they have no sign of their own. */
  namings(config: z.infer<Schema>): Naming[];
}
