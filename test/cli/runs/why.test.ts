import { describe, expect, test } from 'vitest';
import { failureChain } from '../../../cli/runs/failure-chain.ts';
import { pendingWork } from '../../../cli/runs/pending-work.ts';
import { changed, freshId } from '../../../cli/runs/rerun.ts';
import { type RunPicture, RunPictureSchema } from '../../../cli/runs/run-picture.ts';
import { statusText } from '../../../cli/runs/status-text.ts';
import { whyText } from '../../../cli/runs/why.ts';
import { FAILURE_CLASSES } from '../../../core/config/failures.ts';
import { remedyFor } from '../../../core/config/remedies.ts';

const FLEET = 'eval-01a22723-65ce-744e-ba03-e089864bff57';

describe('a failure as history keeps it', () => {
  const damaged = 's3://b/a.jpg: not a JPEG';

  test('is its class, its sentence, and each cause once, with the worker and the event of its shard', () => {
    const chain = failureChain({
      message: damaged,
      applicationFailureInfo: { type: 'BadData' },
      cause: {
        message: 'Activity task failed',
        activityFailureInfo: {
          identity: `${FLEET}-1`,
          activityType: { name: 'evaluateShard' },
          scheduledEventId: 17,
        },
        cause: {
          message: damaged,
          applicationFailureInfo: { type: 'BadData' },
          cause: { message: 'premature end', applicationFailureInfo: { type: 'RangeError' } },
        },
      },
    });
    expect(chain).toEqual({
      class: 'BadData',
      message: damaged,
      worker: `${FLEET}-1`,
      causes: [`in evaluateShard, on ${FLEET}-1`, 'RangeError: premature end'],
      activity: { type: 'evaluateShard', scheduledEventId: '17' },
    });
  });

  test('of a control worker names no worker, whose log would be looked for', () => {
    const activityFailureInfo = {
      identity: '1@host',
      activityType: { name: 'planEval' },
      scheduledEventId: 5,
    };
    expect(failureChain({ message: 'x', cause: { activityFailureInfo } }).worker).toBeNull();
  });

  test('of a part names the part; of a class that nobody knows it is unexpected', () => {
    const childWorkflowExecutionFailureInfo = {
      workflowExecution: { workflowId: 'a-iter_20' },
      workflowType: { name: 'EvalMIoU' },
    };
    const chain = failureChain({ message: 'x', cause: { childWorkflowExecutionFailureInfo } });
    expect([chain.class, chain.causes]).toEqual(['Unexpected', ['in EvalMIoU a-iter_20']]);
  });
});

test('every class of failure has a remedy that names the run', () => {
  for (const name of FAILURE_CLASSES) {
    expect(remedyFor(name, 'my-run')).toMatch(/tessera (rerun|logs|why) my-run/);
    expect(remedyFor(name, 'my-run')).not.toContain('<id>');
  }
});

function picture(changes: Partial<RunPicture>): RunPicture {
  return RunPictureSchema.parse({
    id: 'my-run',
    runId: 'r',
    kind: 'EvalMIoU',
    config: 'tiny',
    dataset: 'mini',
    state: 'failed',
    phase: null,
    share: null,
    mIoU: null,
    startedAt: '2026-11-29T11:00:00.000Z',
    endedAt: null,
    cost: null,
    labels: {},
    parent: null,
    seconds: 90,
    progress: null,
    slow: [],
    waitsFor: [],
    page: null,
    failure: null,
    resultsUri: null,
    reportUri: null,
    ...changes,
  });
}

describe('why', () => {
  test('a failed run failed: class, sentence, causes, where, and what to do', () => {
    const failure: RunPicture['failure'] = {
      class: 'BadData',
      message: 'a.jpg: not a JPEG',
      causes: ['RangeError: premature end'],
      worker: `${FLEET}-1`,
      shard: 3,
      remedy: 'Replace it.',
    };
    expect(whyText(picture({ failure }))).toBe(
      [
        'my-run failed after 1 min 30 s.',
        '',
        'BadData: a.jpg: not a JPEG',
        '  because: RangeError: premature end',
        '',
        'Where: shard 3, worker 1: tessera logs my-run --worker 1',
        '',
        'What to do: Replace it.',
      ].join('\n'),
    );
  });

  test('a running one waits', () => {
    const waitsFor = ['2 workers waiting: unschedulable: 0/2 nodes are available'];
    expect(whyText(picture({ state: 'running', phase: 'launching', waitsFor }))).toBe(
      `my-run is running (launching), for 1 min 30 s.\nIt waits for: ${waitsFor[0]}`,
    );
  });
});

describe('what Temporal has not seen the end of', () => {
  const now = 1_000_000_000;
  const ago = (seconds: number) => ({ seconds: now / 1000 - seconds }) as never;
  const beat = Buffer.from(JSON.stringify({ worker: `${FLEET}-1`, imagesDone: 3, images: 30 }));
  const shard = (seconds: number) => ({
    activityType: { name: 'evaluateShard' },
    state: 2,
    attempt: 1,
    lastWorkerIdentity: `${FLEET}-1`,
    lastStartedTime: ago(seconds),
    heartbeatDetails: { payloads: [{ data: beat }] },
  });

  test('is slow if it takes twice as long as the slowest that is done', () => {
    const { slow } = pendingWork({ pendingActivities: [shard(120), shard(20)] }, null, now);
    expect(slow).toEqual(['1: 3 of 30 images after 2 min']);
  });

  test('waits if no worker has taken it up, or if it is tried again', () => {
    const waiting = (scheduledTime: never) => ({
      activityType: { name: 'evaluateShard' },
      state: 1,
      scheduledTime,
    });
    const lastFailure = { message: 'S3 did not answer' };
    const retried = { activityType: { name: 'publishResults' }, state: 1, attempt: 3, lastFailure };
    const pendingActivities = [waiting(ago(60)), waiting(ago(60)), waiting(ago(1)), retried];
    expect(pendingWork({ pendingActivities }, null, now).waitsFor).toEqual([
      '2 × evaluateShard: no worker has taken it up yet',
      'publishResults, try 3: S3 did not answer',
    ]);
  });
});

test('a status of 60 columns cuts what is long, and never an address', () => {
  const resultsUri = `s3://bucket/${'deep/'.repeat(20)}results.json`;
  const slow = ['1: 3 of 30 images after 2 min, which is long, and longer than anything that was seen'];
  const lines = statusText(picture({ state: 'running', phase: 'evaluating', slow, resultsUri }), 60).split(
    '\n',
  );
  expect(lines.some((line) => line.endsWith(resultsUri))).toBe(true);
  for (const line of lines.filter((text) => !text.includes('s3://')))
    expect(line.length).toBeLessThanOrEqual(60);
  expect(lines).toContain('  No control worker has answered how far it is.');
});

describe('a run again', () => {
  test('has its new override in place of the earlier one, and the rest as it was', () => {
    const input = { config: 'tiny', overrides: ['run.batch=4', 'run.shards=2'] };
    expect(changed(input, { overrides: ['run.batch=1'] })).toEqual({
      config: 'tiny',
      overrides: ['run.shards=2', 'run.batch=1'],
    });
  });

  test('has an id of its own: the earlier one, with the time', () => {
    const now = new Date('2026-11-29T12:30:45Z');
    expect(freshId('tiny-20261124-215003', now)).toBe('tiny-20261129-123045');
    expect(freshId('my-run', now)).toBe('my-run-20261129-123045');
  });
});
