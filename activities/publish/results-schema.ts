import { z } from 'zod';
import { ResultsSchema } from '../../core/config/results.ts';

/** @returns the JSON Schema of results.json as text, the same bytes for the same schema */
export function resultsJsonSchema(): string {
  const schema = { title: 'Tessera results.json, version 1', ...z.toJSONSchema(ResultsSchema) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
