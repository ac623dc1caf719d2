import { expect, test } from 'vitest';
import { goingOn } from '../../cli/run-training.ts';

const checkpoint = { step: 29, uri: 's3://bucket/runs/my-head/checkpoints/iter_29.json' };

test('a training goes on by its workflow id, and one that recomputes by its last checkpoint', () => {
  const said = `the last checkpoint is that of step 29 (${checkpoint.uri}); the same command with`;
  expect(goingOn('my-head', {}, checkpoint)).toBe(`${said} --workflow-id my-head resumes from there`);
  expect(goingOn('my-head', { recompute: true }, checkpoint)).toBe(
    `${said} --resume-from ${checkpoint.uri} resumes from there`,
  );
  expect(goingOn('my-head', { recompute: true, loadFrom: 's3://bucket/head.pth' }, checkpoint)).toBe(
    `${said} --resume-from ${checkpoint.uri} instead of --load-from resumes from there`,
  );
});
