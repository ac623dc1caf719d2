import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { tryLock, withLock } from '../../infra/local/lock.mjs';
import { temporaryFolder } from './observe.ts';

const NO_PROCESS = 2 ** 22 + 1; // above Linux's and macOS's largest process id

function leftLock({ pid = process.pid, host = hostname(), ageSeconds = 0 }) {
  const path = join(temporaryFolder(), 'lock');
  mkdirSync(path);
  writeFileSync(join(path, 'owner.json'), JSON.stringify({ pid, host, token: 'left' }));
  const then = Date.now() / 1000 - ageSeconds;
  utimesSync(path, then, then);
  return path;
}

test('work under one lock never overlaps', async () => {
  const path = join(temporaryFolder(), 'lock');
  let inside = 0;
  let most = 0;
  const work = () =>
    withLock(path, async () => {
      inside++;
      most = Math.max(most, inside);
      await sleep(20);
      inside--;
    });
  await Promise.all([work(), work(), work()]);
  expect(most).toBe(1);
});

test('a lock whose holder is dead is taken over, one that lives is not', async () => {
  expect(await tryLock(leftLock({ pid: NO_PROCESS }))).toBeDefined();
  expect(await tryLock(leftLock({}))).toBeUndefined();
});

test('a lock from another machine, or whose process id was given anew, is taken over when its heart stopped', async () => {
  expect(await tryLock(leftLock({ host: 'elsewhere', pid: NO_PROCESS }))).toBeUndefined();
  expect(await tryLock(leftLock({ host: 'elsewhere', ageSeconds: 60 }))).toBeDefined();
  expect(await tryLock(leftLock({ ageSeconds: 60 }))).toBeDefined();
});
