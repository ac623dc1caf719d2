import { expect, test } from 'vitest';
import {
  BadData,
  BadInput,
  FAILURE_CLASSES,
  type FailureClass,
  mayPass,
  NotFound,
  nextTry,
  OutOfMemory,
  TypedFailure,
  Unavailable,
} from '../../../core/config/failures.ts';

test('what the user must mend ends a run at once; what passes by itself is tried again', () => {
  const ends = ['BadInput', 'BadData', 'OutOfMemory', 'FleetLost', 'BudgetSpent'];
  expect(FAILURE_CLASSES.filter((name) => !mayPass(name))).toEqual(ends);
});

test('a shard is tried again until it has failed too often in one way; lost workers are not its fault', () => {
  const times = (name: FailureClass, count: number) => Array.from({ length: count }, () => ({ class: name }));
  const again = { batch: 4, isPaused: true };
  expect(nextTry(times('Unavailable', 7), 4)).toEqual(again);
  expect(nextTry(times('Unavailable', 8), 4)).toBeNull();
  expect(nextTry([...times('WorkerLost', 50), ...times('Unavailable', 1)], 4)).toEqual(again);
  expect(nextTry([...times('Unavailable', 7), ...times('WorkerLost', 50)], 4)).toEqual(again);
  expect(nextTry(times('WorkerLost', 99), 4)).toEqual(again);
  expect(nextTry(times('WorkerLost', 100), 4)).toBeNull();
  expect(nextTry(times('Unexpected', 1), 4)).toEqual(again);
  expect(nextTry(times('Unexpected', 2), 4)).toBeNull();
  expect(nextTry(times('BadData', 1), 4)).toBeNull();
});

test('a batch that does not fit is halved at once, down to one crop', () => {
  const failures = Array.from({ length: 20 }, () => ({ class: 'OutOfMemory' as const }));
  expect(nextTry(failures, 9)).toEqual({ batch: 4, isPaused: false });
  expect(nextTry(failures, 2)).toEqual({ batch: 1, isPaused: false });
  expect(nextTry(failures, 1)).toBeNull();
});

test.each([
  [new BadInput('why'), 'BadInput'],
  [new BadData('why'), 'BadData'],
  [new OutOfMemory('why'), 'OutOfMemory'],
  [new Unavailable('why'), 'Unavailable'],
  [new TypedFailure('WorkerLost', 'why'), 'WorkerLost'],
])('a failure says its class and keeps its message: %s', (failure, name) => {
  expect(failure).toBeInstanceOf(TypedFailure);
  expect([failure.failureClass, failure.name, failure.message]).toEqual([name, name, 'why']);
});

test('what is not found is bad input, and tells a bucket from an object', () => {
  const bucket = new NotFound('bucket', 's3://b');
  expect(bucket).toBeInstanceOf(BadInput);
  expect([bucket.what, bucket.message]).toEqual(['bucket', 's3://b: the bucket does not exist']);
  expect(new NotFound('object', 's3://b/k').message).toBe('s3://b/k: does not exist');
});

test('a failure keeps its cause', () => {
  const cause = new Error('socket hang up');
  expect(new Unavailable('S3', { cause }).cause).toBe(cause);
});
