import { describe, expect, onTestFinished, test } from 'vitest';
import { judge, type Look, watchRun } from '../../workers/run-watch.ts';
import { until } from '../infra/observe.ts';

const MINUTE = 60_000;

test.each<[Look, number, string]>([
  ['open', 0, 'stay'],
  ['closed', 0, 'run-over'],
  ['unanswered', 9 * MINUTE, 'stay'],
  ['unanswered', 10 * MINUTE, 'temporal-away'],
])('a look that is %s, after %d ms of silence, means %s', (look, silentMs, verdict) => {
  expect(judge(look, silentMs)).toBe(verdict);
});

describe('a worker that watches its run', () => {
  /** Looks each few milliseconds; `answers` come one after the other, the last one for ever. */
  function watch(answers: (boolean | Error)[], patienceMs?: number) {
    const verdicts: string[] = [];
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    let looks = 0;
    const ended = watchRun(
      {
        async isOpen() {
          const answer = answers[Math.min(looks++, answers.length - 1)]!;
          if (answer instanceof Error) throw answer;
          return answer;
        },
        onLeave: (verdict) => verdicts.push(verdict),
        lookEveryMs: 5,
        ...(patienceMs === undefined ? {} : { patienceMs }),
      },
      stop.signal,
    );
    return { verdicts, ended, stop: () => stop.abort(), looks: () => looks };
  }

  test('goes when it is closed, and looks no more', async () => {
    const { verdicts, ended, looks } = watch([true, new Error('away'), true, false]);
    await ended;
    expect(verdicts).toEqual(['run-over']);
    expect(looks()).toBe(4);
  });

  test('goes when Temporal has been silent for too long, each answer counting anew', async () => {
    const silence = new Error('away');
    const { verdicts, ended, looks } = watch([silence, true, silence], 60);
    await ended;
    expect(verdicts).toEqual(['temporal-away']);
    expect(looks()).toBeGreaterThan(4);
  });

  test('stays while it is open, until it is told to stop', async () => {
    const { verdicts, ended, stop, looks } = watch([true]);
    await until('it looked', () => looks() > 5);
    stop();
    await ended;
    expect(verdicts).toEqual([]);
  });
});
