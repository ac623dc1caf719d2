import { expect, test } from 'vitest';
import {
  BadData,
  BadInput,
  FAILURE_CLASSES,
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

test('what the user must mend is never retried; what passes by itself is, at nobody’s expense', () => {
  const of = (retry: string) => FAILURE_CLASSES.filter((name) => REACTIONS[name].retry === retry);
  expect(of('never')).toEqual(['BadInput', 'BadData', 'FleetLost']);
  expect(of('halve-batch')).toEqual(['OutOfMemory']);
  expect(of('backoff')).toEqual(['Unavailable', 'WorkerLost']);
  expect(FAILURE_CLASSES.filter((name) => !REACTIONS[name].shardsFault)).toEqual([
    ...of('backoff'),
    'FleetLost',
  ]);
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
