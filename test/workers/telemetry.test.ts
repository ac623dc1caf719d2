import { expect, test } from 'vitest';
import { logLine, portOf } from '../../workers/telemetry.ts';

test('an entry of the SDK’s log is one line that says where and why', () => {
  const line = logLine({
    level: 'WARN',
    message: 'Activity failed',
    timestampNanos: 0n,
    meta: {
      workflowId: 'eval-1',
      activityType: 'evaluateShard',
      attempt: 1,
      taskToken: 'CiQ0',
      error: new Error('image_3: damaged\n  at byte 4'),
    },
  });
  expect(line).toBe(
    'Temporal WARN Activity failed (workflowId eval-1, activityType evaluateShard, attempt 1): image_3: damaged | at byte 4',
  );
  expect(logLine({ level: 'ERROR', message: 'no metadata', timestampNanos: 0n })).toBe(
    'Temporal ERROR no metadata',
  );
});

test('a port is a number that a variable gives, or none', () => {
  expect(portOf('PORT', { PORT: '8080' })).toBe(8080);
  expect(portOf('PORT', {})).toBeNull();
  expect(portOf('PORT', { PORT: '' })).toBeNull();
  for (const PORT of ['http', '0', '70000', '80.5'])
    expect(() => portOf('PORT', { PORT })).toThrow(`PORT: '${PORT}' is not a port (1 to 65535)`);
});
