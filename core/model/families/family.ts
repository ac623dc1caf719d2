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
  /** Field of config.json that a field of the config comes from, for messages. */
  jsonNames: Record<string, string>;
  /** Values that this family's code has been written for, of fields of config.json that have no other place. */
  onlyJson(json: Record<string, unknown>): Record<string, unknown[]>;
  /** Folder in configs/ with its configs: a config made of a config.json has their protocol. */
  folder: string;
  /** The original repository's names come last: they have no sign of their own. */
  namings(config: z.infer<Schema>): Naming[];
}
