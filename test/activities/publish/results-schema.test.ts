import { expect, it } from 'vitest';
import { resultsJsonSchema } from '../../../activities/publish/results-schema.ts';
import { ResultsSchema } from '../../../core/config/results.ts';

it('describes every part of results.json, as the same text each time', () => {
  const schema = JSON.parse(resultsJsonSchema());
  expect(schema.$schema).toContain('json-schema.org');
  expect(Object.keys(schema.properties)).toEqual(Object.keys(ResultsSchema.shape));
  // Only what a budget has cut says that it is partial.
  expect(schema.required).toEqual(Object.keys(ResultsSchema.shape).filter((key) => key !== 'partial'));
  expect(schema.additionalProperties).toBe(false);
  expect(resultsJsonSchema()).toBe(resultsJsonSchema());
});
