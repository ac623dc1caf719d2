import { expect, test } from 'vitest';
import { runPrefix } from '../../../activities/plan/run-prefix.ts';

const prefixOf = (workflowId: string, recompute = false) =>
  runPrefix({ output: 's3://bucket/runs', recompute }, { workflowId, runId: 'run-1' });

test.each(['eval-1', 'a b', 'Ünïcode', 'v1.2..3', '...'])('%s names a folder of its own', (id) => {
  expect(prefixOf(id)).toBe(`s3://bucket/runs/${id}`);
  expect(prefixOf(id, true)).toBe(`s3://bucket/runs/${id}/run-1`);
});

test.each(['a b/../c', '..', '.', 'a/b', '/a', 'a\\b', 'a\nb', 'a\u0000'])('%j is refused', (id) => {
  expect(() => prefixOf(id)).toThrow(`workflow id ${JSON.stringify(id)}: names the folder of the results`);
});
