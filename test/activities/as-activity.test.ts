import { setTimeout as sleep } from 'node:timers/promises';
import { asyncLocalStorage, CancelledFailure, Context } from '@temporalio/activity';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ActivityOptions, asActivity, type Beat } from '../../activities/as-activity.ts';
import { BadData, Unavailable } from '../../core/config/failures.ts';

type Details = Partial<Record<'cancelRequested' | 'workerShutdown' | 'notFound' | 'timedOut', true>>;

/** Runs work as Temporal would: `cancel` is what a worker does when the server, or its shutdown, says so. */
function start<T>(work: (beat: Beat) => Promise<T>, options?: ActivityOptions, attempt = 2) {
  const abort = new AbortController();
  const holder: { details?: Details } = {};
  const heartbeats: unknown[] = [];
  let reject: (error: Error) => void = () => {};
  const cancelled = new Promise<never>((_, fail) => {
    reject = fail;
  });
  cancelled.catch(() => {});
  const nothing = undefined as never;
  const context = new Context(
    { attempt, heartbeatDetails: 'of attempt 1', activityType: 'planEval' } as never,
    ...([cancelled, abort.signal, (details: unknown) => heartbeats.push(details)] as const),
    ...([nothing, nothing, nothing, holder as never] as const),
  );
  const result = asyncLocalStorage.run(context, () => asActivity(work, options));
  result.catch(() => {});
  const cancel = (details: Details) => {
    holder.details = details;
    const error = new CancelledFailure('CANCELLED');
    abort.abort(error);
    reject(error);
  };
  return { result, heartbeats, cancel };
}

test('a service that asks to wait is asked again after that, and after a minute at the latest', async () => {
  for (const [asked, waits] of [
    [7_000, 7_000],
    [3_600_000, 60_000],
  ] as const) {
    const { result } = start(async () => {
      throw new Unavailable('s3://b/k: busy', { retryAfterMs: asked });
    });
    await expect(result).rejects.toMatchObject({ nextRetryDelay: waits });
  }
});

describe('an activity that is told to stop', () => {
  const forever = () => new Promise<never>(() => {});

  test('since its worker goes is lost with it, in words for the user, and may be tried elsewhere', async () => {
    const { result, cancel } = start(forever, { onWorkerStop: 'w3 was told to stop in mid-shard' });
    cancel({ workerShutdown: true });
    await expect(result).rejects.toMatchObject({
      type: 'WorkerLost',
      message: 'w3 was told to stop in mid-shard',
      nonRetryable: false,
    });
  });

  test('since its worker goes blames nothing that breaks in the going', async () => {
    const { result, cancel } = start(
      ({ signal }) =>
        new Promise<never>((_, fail) => {
          signal.addEventListener('abort', () => fail(new BadData('half a file')));
        }),
    );
    cancel({ workerShutdown: true });
    await expect(result).rejects.toMatchObject({ type: 'WorkerLost' });
  });

  test.each<[Details, string]>([
    [{ cancelRequested: true }, 'run-cancelled'],
    [{ workerShutdown: true }, 'worker-stopping'],
    [{ notFound: true }, 'attempt-over'],
    [{ notFound: true, timedOut: true }, 'attempt-over'],
  ])('by %o hears why: %s', async (details, reason) => {
    let beat: Beat | undefined;
    const { cancel } = start((own) => {
      beat = own;
      return forever();
    });
    expect(beat!.stopReason()).toBeNull();
    cancel(details);
    expect(beat!.stopReason()).toBe(reason);
  });

  test.each<Details>([{ cancelRequested: true }, { notFound: true }])(
    'by %o stays a cancellation',
    async (details) => {
      const { result, cancel } = start(forever);
      cancel(details);
      await expect(result).rejects.toBeInstanceOf(CancelledFailure);
    },
  );
});

test('a typed failure is retried or not as its class says', async () => {
  const fail = (error: Error) => start(() => Promise.reject(error)).result;
  await expect(fail(new BadData('torn'))).rejects.toMatchObject({ type: 'BadData', nonRetryable: true });
  await expect(fail(new Unavailable('away'))).rejects.toMatchObject({
    type: 'Unavailable',
    nonRetryable: false,
  });
});

test.each([
  [1, { nonRetryable: false }],
  [2, { nonRetryable: true }],
])('an error that nobody foresaw is tried again once: attempt %i', async (attempt, expected) => {
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => logged.mockRestore());
  const bug = new TypeError('x is not a function');
  await expect(start(() => Promise.reject(bug), {}, attempt).result).rejects.toMatchObject({
    type: 'Unexpected',
    message: 'planEval: unexpected error: TypeError: x is not a function',
    ...expected,
  });
  expect(logged.mock.calls.flat().join()).toContain('as-activity.test.ts'); // its stack
});

test('an error of work that is being cancelled stays a cancellation', async () => {
  const { result, cancel } = start(
    ({ signal }) =>
      new Promise<void>((_, fail) => signal.addEventListener('abort', () => fail(new Error('torn down')))),
    { endsBySignal: true },
  );
  cancel({ cancelRequested: true });
  await expect(result).rejects.not.toMatchObject({ type: 'Unexpected' });
});

test('heartbeats tell the latest details: at once, and then each second', async () => {
  const { result, heartbeats } = start(async ({ heartbeat, attempt }) => {
    heartbeat({ done: 0 });
    heartbeat({ done: 1 });
    await sleep(1_200);
    return attempt;
  });
  expect(heartbeats).toEqual([{ done: 0 }]);
  expect(await result).toBe(2);
  expect(heartbeats).toEqual([{ done: 0 }, { done: 1 }]);
});

test('an attempt without news hands on what the one before it knew', async () => {
  const { result, heartbeats } = start(() => sleep(1_200));
  await result;
  expect(heartbeats).toEqual(['of attempt 1']);
});

test('work that ends by its signal is waited for, and its stop is told all the same', async () => {
  let isOver = false;
  const { result, cancel } = start(
    ({ signal }) =>
      new Promise<void>((done) => {
        signal.addEventListener('abort', async () => {
          await sleep(50);
          isOver = true;
          done();
        });
      }),
    { endsBySignal: true },
  );
  cancel({ workerShutdown: true });
  await expect(result).rejects.toMatchObject({ type: 'WorkerLost' });
  expect(isOver).toBe(true);
});
