import { expect, test, vi } from 'vitest';
import type { Launcher } from '../../../activities/launch/launcher.ts';
import type { CauseKind, FleetSpec, WorkerState } from '../../../core/config/fleet.ts';

/** A launcher, and what ends its workers. */
export interface LauncherUnderTest {
  launcher: Launcher;
  /** Lets a worker's program say a last line and end: by an exit code, or by a signal from outside. */
  end(worker: string, how: { code: number } | { signal: 'SIGTERM' | 'SIGKILL' }): Promise<void>;
  /** Names of what still runs, whoever it is of. */
  running(): Promise<string[]>;
}

/** What a worker that is ended says. */
export const LAST_WORDS = 'the last line';

const fleetOf = (changes: Partial<FleetSpec> = {}): FleetSpec => ({
  name: 'eval-suite',
  launcher: 'suite',
  workflowId: 'suite',
  runId: 'run-1',
  taskQueue: 'suite',
  workers: 2,
  device: 'cpu',
  deadlineSeconds: 600,
  logs: 's3://suite/logs',
  ...changes,
});

/** What every launcher does. `open` is called once a test. */
export function launcherSuite(open: () => Promise<LauncherUnderTest>): void {
  /** Looks again and again, as a keeper does, until it is so. */
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });
  const namesOf = (workers: WorkerState[]) => workers.map(({ name }) => name).sort();
  /** Observes until all wanted workers are there and none of them waits. */
  const allUp = (launcher: Launcher, fleet: FleetSpec) =>
    eventually(async () => {
      const { workers } = await launcher.observe(fleet);
      expect(workers.filter(({ state }) => state === 'running')).toHaveLength(fleet.workers);
    });

  test('a fleet of which nothing is launched has no workers, and is torn down all the same', async () => {
    const { launcher } = await open();
    await launcher.tearDown(fleetOf());
    expect(await launcher.observe(fleetOf())).toEqual({ workers: [], trouble: null });
    await launcher.tearDown(fleetOf());
  });

  test('as many workers come as are wanted, and launching again brings no more', async () => {
    const { launcher, running } = await open();
    const fleet = fleetOf();
    await launcher.reconcile(fleet);
    await launcher.reconcile(fleet);
    await allUp(launcher, fleet);
    await launcher.reconcile(fleet);
    const { workers } = await launcher.observe(fleet);
    expect(await running()).toEqual(namesOf(workers));
    expect(new Set(namesOf(workers)).size).toBe(2);
    await launcher.tearDown(fleet);
  });

  test.each<[{ code: number } | { signal: 'SIGTERM' | 'SIGKILL' }, CauseKind]>([
    [{ code: 0 }, 'finished'],
    [{ code: 1 }, 'crashed'],
    [{ code: 64 }, 'misconfigured'],
    [{ signal: 'SIGTERM' }, 'stopped'],
    [{ signal: 'SIGKILL' }, 'crashed'],
  ])('a worker that ends by %j is gone: %s, with its last lines', async (how, kind) => {
    const { launcher, end } = await open();
    const fleet = fleetOf();
    await launcher.reconcile(fleet);
    await allUp(launcher, fleet);
    const [name] = namesOf((await launcher.observe(fleet)).workers);
    await end(name!, how);
    await eventually(async () => {
      const { workers } = await launcher.observe(fleet);
      expect(workers.find((worker) => worker.name === name)).toMatchObject({
        state: 'gone',
        cause: { kind },
        lastLines: expect.stringContaining(LAST_WORDS),
      });
    });
    await launcher.tearDown(fleet);
  });

  test('a worker that went is replaced by one of another name, and stays gone', async () => {
    const { launcher, end, running } = await open();
    const fleet = fleetOf();
    await launcher.reconcile(fleet);
    await allUp(launcher, fleet);
    const [name] = namesOf((await launcher.observe(fleet)).workers);
    await end(name!, { code: 1 });
    await eventually(async () => {
      await launcher.reconcile(fleet);
      const { workers } = await launcher.observe(fleet);
      expect(workers.filter(({ state }) => state === 'running')).toHaveLength(2);
      expect(workers.find((worker) => worker.name === name)?.state).toBe('gone');
    });
    expect(await running()).not.toContain(name);
    await launcher.tearDown(fleet);
  });

  test('tearing down ends the workers of one fleet, not those of another', async () => {
    const { launcher, running } = await open();
    const [mine, other] = [fleetOf(), fleetOf({ name: 'eval-other', runId: 'run-2', workers: 1 })];
    await launcher.reconcile(mine);
    await launcher.reconcile(other);
    await allUp(launcher, mine);
    await allUp(launcher, other);
    await launcher.tearDown(mine);
    expect(await running()).toEqual(namesOf((await launcher.observe(other)).workers));
    expect((await launcher.observe(mine)).workers).toEqual([]);
    await launcher.tearDown(mine);
    await launcher.tearDown(other);
    expect(await running()).toEqual([]);
  });
}
