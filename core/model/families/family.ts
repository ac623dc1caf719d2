import type { z } from 'zod';
import type { Naming, Vit } from '../vit.ts';

/** A family of backbones: the form of its config, the transformer that it means, and the names in its checkpoints. */
export interface Family<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  vit(config: z.infer<Schema>): Vit;
  /** `model_type` of the family's config.json on the Hugging Face Hub. */
  modelTypes: string[];
  /** The backbone that a config.json describes, without what it doesn't say (crop, taps); to be checked by `schema`. */
  fromConfigJson(json: Record<string, unknown>): Record<string, unknown>;
  /** The original repository's names come last: they have no sign of their own. */
  namings(config: z.infer<Schema>): Naming[];
}
