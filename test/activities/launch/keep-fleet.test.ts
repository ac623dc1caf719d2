import { expect, test } from 'vitest';
import { keepFleet } from '../../../activities/launch/keep-fleet.ts';
import type { Launcher, WorkerState } from '../../../activities/launch/launcher.ts';
import { until } from '../../infra/observe.ts';

const fleetOf = (workers: number) => ({
  ...{ name: 'eval-1', launcher: 'fake', taskQueue: 'tessera-1' },
  ...{ workers, deadlineSeconds: 60 },
});

/** A launcher whose workers live until they are killed here. */
function fakeLauncher() {
  const workers: WorkerState[] = [];
  const calls: string[] = [];
  const launcher: Launcher = {
    async launch(fleet) {
      calls.push('launch');
      for (
        let living = workers.filter(({ state }) => state === 'running').length;
        living < fleet.workers;
        living++
      )
        workers.push({ name: `w${workers.length}`, state: 'running' });
    },
    async observe() {
      calls.push('observe');
      return structuredClone(workers);
    },
    async tearDown() {
      calls.push('tearDown');
    },
  };
  const kill = (name: string, cause = 'killed by SIGKILL') => {
    const at = workers.findIndex((worker) => worker.name === name);
    workers[at] = { name, state: 'gone', cause, lastLines: `${name} says goodbye` };
  };
  return { launcher, workers, calls, kill };
}

/** A fleet that is kept, with what it reports. */
function keep(launcher: Launcher, workers = 2) {
  const stop = new AbortController();
  const reports: string[] = [];
  const onChange = async (seen: WorkerState[]) => {
    reports.push(seen.map(({ name, state }) => `${name} ${state}`).join(', '));
  };
  const kept = keepFleet(launcher, fleetOf(workers), { signal: stop.signal, onChange });
  kept.catch(() => {});
  return { kept, reports, stop: () => stop.abort() };
}

test('a worker that dies is replaced, and each change is reported once', async () => {
  const { launcher, kill, calls } = fakeLauncher();
  const { kept, reports, stop } = keep(launcher);
  await until('both run', () => reports.length === 1);
  kill('w1');
  await until('the death is seen', () => reports.length === 2);
  const looks = calls.length;
  await until('it looked again', () => calls.length >= looks + 2);
  stop();
  await kept;
  expect(reports).toEqual(['w0 running, w1 running', 'w0 running, w1 gone, w2 running']);
});

test('a stop tears the fleet down at once, and is no failure', async () => {
  const { launcher, calls } = fakeLauncher();
  const { kept, reports, stop } = keep(launcher);
  await until('both run', () => reports.length === 1);
  const began = performance.now();
  stop();
  await kept;
  expect(performance.now() - began).toBeLessThan(500);
  expect(calls).toEqual(['launch', 'observe', 'tearDown']);
});

test('a fleet that was stopped before it began launches nothing, and is torn down all the same', async () => {
  const { launcher, calls } = fakeLauncher();
  const options = { signal: AbortSignal.abort(), onChange: async () => {} };
  await keepFleet(launcher, fleetOf(2), options);
  expect(calls).toEqual(['tearDown']);
});

test('workers that keep dying fail the run, with the last one’s cause and words', async () => {
  const { launcher, kill, calls, workers } = fakeLauncher();
  // One more than three and two a worker.
  for (let i = 0; i < 6; i++) {
    workers.push({ name: `w${i}`, state: 'running' });
    kill(`w${i}`, i === 5 ? 'exit code 134' : 'killed by SIGKILL');
  }
  const { kept } = keep(launcher, 1);
  await expect(kept).rejects.toMatchObject({
    failureClass: 'WorkerLost',
    message:
      'workers keep dying: 6 of this run so far, the last (w5) by exit code 134. Its last lines:\nw5 says goodbye',
  });
  expect(calls.at(-1)).toBe('tearDown');
});

test('as many deaths as bad luck explains are borne, more of them in a larger fleet', async () => {
  for (const size of [1, 2]) {
    const { launcher, kill, workers } = fakeLauncher();
    for (let i = 0; i < 3 + 2 * size; i++) {
      workers.push({ name: `w${i}`, state: 'running' });
      kill(`w${i}`);
    }
    const { kept, reports, stop } = keep(launcher, size);
    await until('it was seen', () => reports.length === 1);
    stop();
    await kept;
  }
});

test.each(['launch', 'observe'] as const)(
  'a launcher that fails to %s fails the run, and the fleet is torn down',
  async (call) => {
    const { launcher, calls } = fakeLauncher();
    launcher[call] = async () => {
      throw new Error(`cannot ${call}: quota exceeded`);
    };
    await expect(keep(launcher).kept).rejects.toThrow(`cannot ${call}: quota exceeded`);
    expect(calls.at(-1)).toBe('tearDown');
  },
);

test('a report that nobody takes fails the run, and the fleet is torn down', async () => {
  const { launcher, calls } = fakeLauncher();
  const onChange = async () => {
    throw new Error('the workflow is gone');
  };
  const kept = keepFleet(launcher, fleetOf(1), { signal: new AbortController().signal, onChange });
  await expect(kept).rejects.toThrow('the workflow is gone');
  expect(calls.at(-1)).toBe('tearDown');
});
