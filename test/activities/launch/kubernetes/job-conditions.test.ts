import type { CoreV1Event, V1Job } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { creationFailure, jobCondition } from '../../../../activities/launch/kubernetes/job-conditions.ts';
import { at } from './pods.ts';

const event = (message: string, seconds = 10, reason = 'FailedCreate') =>
  ({ reason, message, lastTimestamp: at(seconds), metadata: {}, involvedObject: {} }) as CoreV1Event;

const quota = (requested: string, used: string, limited: string) =>
  `Error creating: pods "eval-r1-0-x" is forbidden: exceeded quota: gpus, requested: ${requested}, used: ${used}, limited: ${limited}`;

test.each([
  [
    quota('requests.nvidia.com/gpu=1', 'requests.nvidia.com/gpu=4', 'requests.nvidia.com/gpu=4'),
    'quota-full',
  ],
  [
    quota('requests.nvidia.com/gpu=8', 'requests.nvidia.com/gpu=0', 'requests.nvidia.com/gpu=4'),
    'quota-too-small',
  ],
  [quota('pods=1,requests.cpu=500m', 'pods=1,requests.cpu=0', 'pods=9,requests.cpu=0'), 'quota-too-small'],
  [quota('memory=4Gi', 'memory=62Gi', 'memory=64Gi'), 'quota-full'],
  [
    'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
    'refused',
  ],
  ['Error creating: admission webhook "policy.example" denied the request: no', 'refused'],
  ['Error creating: Internal error occurred: failed calling webhook', 'api-away'],
])('why a pod could not be created: %s', (message, kind) => {
  expect(creationFailure([event(message)], 0)).toEqual({ kind, message });
});

test('the latest word counts, and what was said before the newest pod came does not', () => {
  const events = [
    event('is forbidden: second', 20),
    event('is forbidden: first', 10),
    event('Created', 30, 'SuccessfulCreate'),
  ];
  expect(creationFailure(events, 0)?.message).toBe('is forbidden: second');
  expect(creationFailure(events, at(25).getTime())).toBeNull();
});

test.each([
  ['DeadlineExceeded', 'deadline-passed'],
  ['PodFailurePolicy', 'misconfigured'],
  ['FailedIndexes', 'job-failed'],
])('a Job that failed says why: %s', (reason, kind) => {
  const conditions = [{ type: 'Failed', status: 'True', reason, message: 'in its words' }];
  expect(jobCondition({ status: { conditions } } as V1Job)).toEqual({
    kind,
    message: 'the Job failed: in its words',
  });
});

test('a suspended Job waits to be admitted; one at work has no trouble', () => {
  expect(jobCondition({ spec: { suspend: true, template: {} } })?.kind).toBe('queued');
  expect(jobCondition({ spec: { template: {} } })).toBeNull();
});
