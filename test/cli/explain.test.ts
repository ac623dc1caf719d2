import { status } from '@grpc/grpc-js';
import { ServiceError } from '@temporalio/client';
import { expect, test } from 'vitest';
import { explain, isTemporalAway } from '../../cli/explain.ts';
import { BadInput } from '../../core/config/failures.ts';

/** As the SDK's client throws what gRPC reports. */
function serviceError(code: number, details: string): ServiceError {
  const cause = Object.assign(new Error(`${code} ${details}`), { code, details, metadata: {} });
  return new ServiceError('Failed to start Workflow', { cause });
}

test.each([
  [new BadInput('run.batch is 0'), 'run.batch is 0'],
  [
    serviceError(status.UNAVAILABLE, 'No connection established'),
    /^Temporal does not answer at .*No connection/,
  ],
  [serviceError(status.PERMISSION_DENIED, 'Request unauthorized.'), /refuses access: .*TEMPORAL_API_KEY/],
  [
    serviceError(status.NOT_FOUND, 'Namespace prod is not found.'),
    /^Temporal has no namespace prod \(TEMPORAL_NAMESPACE\)/,
  ],
  [
    serviceError(status.INVALID_ARGUMENT, 'WorkflowId length exceeds limit.'),
    /refuses: WorkflowId length exceeds limit\.$/,
  ],
  [
    Object.assign(new Error('no space'), { code: 'ENOSPC', path: '/a/b' }),
    /^the disk of \/a\/b is full: .*TESSERA_STATE/,
  ],
  [Object.assign(new Error('denied'), { code: 'EACCES', path: '/a/b' }), '/a/b: permission denied'],
])('%s is explained', (error, sentence) => {
  expect(explain(error)).toMatch(sentence);
});

test('what nobody foresaw is not explained away', () => {
  expect(explain(new TypeError('x is not a function'))).toBeNull();
  expect(explain(undefined)).toBeNull();
});

test('a Temporal that refuses is not one that is away', () => {
  expect(isTemporalAway(serviceError(status.UNAVAILABLE, ''))).toBe(true);
  expect(isTemporalAway(serviceError(status.NOT_FOUND, ''))).toBe(false);
  expect(isTemporalAway(new Error('x'))).toBe(false);
});
