import { expect, test } from 'vitest';
import {
  BadData,
  BadInput,
  FAILURE_CLASSES,
  type FailureClass,
  isTriedAgain,
  NotFound,
  OutOfMemory,
  REACTIONS,
  TypedFailure,
  Unavailable,
} from '../../../core/config/failures.ts';

test('every class of failure has a reaction and a meaning, and no other does', () => {
  expect(Object.keys(REACTIONS).sort()).toEqual([...FAILURE_CLASSES].sort());
  for (const name of FAILURE_CLASSES) expect(REACTIONS[name].means).not.toBe('');
});

test('what the user must mend is never retried; what passes by itself is', () => {
  const of = (retry: string) => FAILURE_CLASSES.filter((name) => REACTIONS[name].retry === retry);
  expect(of('never')).toEqual(['BadInput', 'BadData', 'FleetLost', 'BudgetSpent']);
  expect(of('halve-batch')).toEqual(['OutOfMemory']);
  expect(of('backoff')).toEqual(['Unavailable', 'WorkerLost', 'Unexpected']);
});

test('a shard is tried again until it has failed too often in one way; lost workers are not its fault', () => {
  const times = (name: FailureClass, count: number) => Array.from({ length: count }, () => ({ class: name }));
  expect(isTriedAgain(times('Unavailable', 7))).toBe(true);
  expect(isTriedAgain(times('Unavailable', 8))).toBe(false);
  expect(isTriedAgain([...times('WorkerLost', 50), ...times('Unavailable', 1)])).toBe(true);
  expect(isTriedAgain([...times('Unavailable', 7), ...times('WorkerLost', 50)])).toBe(true);
  expect(isTriedAgain(times('WorkerLost', 100))).toBe(false);
  expect(isTriedAgain(times('Unexpected', 1))).toBe(true);
  expect(isTriedAgain(times('Unexpected', 2))).toBe(false);
  expect(isTriedAgain(times('OutOfMemory', 20))).toBe(true);
  expect(isTriedAgain(times('BadData', 1))).toBe(false);
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
