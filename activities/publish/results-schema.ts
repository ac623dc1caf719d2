import { z } from 'zod';
import { ResultsSchema } from '../../core/config/results.ts';
import { TableSchema } from '../../core/config/table.ts';
import { TrainResultsSchema } from '../../core/config/train-results.ts';

/** What is published, by its kind. */
const SCHEMAS = {
  evaluation: { title: 'Tessera results.json of an evaluation, version 1', schema: ResultsSchema },
  training: { title: 'Tessera results.json of a training, version 1', schema: TrainResultsSchema },
  table: { title: 'Tessera table.json, version 1', schema: TableSchema },
};

/** @returns the JSON Schema of what is published, as text: the same bytes for the same schema */
export function resultsJsonSchema(kind: keyof typeof SCHEMAS = 'evaluation'): string {
  const { title, schema } = SCHEMAS[kind];
  return `${JSON.stringify({ title, ...z.toJSONSchema(schema) }, null, 2)}\n`;
}
