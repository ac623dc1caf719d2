import { z } from 'zod';
import { ResultsSchema } from '../../core/config/results.ts';
import { TrainResultsSchema } from '../../core/config/train-results.ts';

/** What a results.json may be of. */
const SCHEMAS = { evaluation: ResultsSchema, training: TrainResultsSchema };

/** @returns the JSON Schema of a results.json as text, the same bytes for the same schema */
export function resultsJsonSchema(kind: keyof typeof SCHEMAS = 'evaluation'): string {
  const title = `Tessera results.json of ${kind === 'evaluation' ? 'an evaluation' : 'a training'}, version 1`;
  return `${JSON.stringify({ title, ...z.toJSONSchema(SCHEMAS[kind]) }, null, 2)}\n`;
}
