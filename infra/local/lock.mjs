// A lock between processes, in plain Node: the bootstrap needs it before any npm package is there.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const HEARTBEAT_MS = 2_000;
/** Far above the heartbeat: a holder that is this late is dead, or on a machine that is. */
const STALE_MS = 30_000;
const RETRY_MS = 200;

/**
 * Runs `work` while no other process holds the lock.
 *
 * @template T
 * @param {string} path the lock's folder; it exists while the lock is held
 * @param {() => Promise<T>} work
 * @param {{ signal?: AbortSignal, onWait?: (pid: number | undefined) => void }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, { signal, onWait } = {}) {
  let release = await tryLock(path);
  if (!release) onWait?.((await readOwner(path))?.pid);
  while (!release) {
    await sleep(RETRY_MS, undefined, { signal });
    release = await tryLock(path);
  }
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Takes the lock, or gives undefined where a living process holds it.
 *
 * @param {string} path
 * @returns {Promise<(() => Promise<void>) | undefined>} lets the lock go
 */
export async function tryLock(path) {
  await mkdir(dirname(path), { recursive: true });
  if (!(await makeFolder(path))) {
    if (!(await removeIfStale(path)) || !(await makeFolder(path))) return undefined;
  }
  const token = randomUUID();
  await writeFile(join(path, 'owner.json'), JSON.stringify({ pid: process.pid, host: hostname(), token }));
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    if ((await readOwner(path))?.token === token) await rm(path, { recursive: true, force: true });
  };
}

/** @param {string} path */
async function makeFolder(path) {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path */
async function removeIfStale(path) {
  const stale = await readOwner(path);
  if (!(await isStale(path, stale))) return false;
  // Two may find the same stale lock. A rename is atomic, so one of them gets it; should the other get the
  // first one's new lock instead, it gives it back.
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return false;
  }
  if ((await readOwner(aside))?.token !== stale?.token) {
    await rename(aside, path).catch(() => {});
    return false;
  }
  await rm(aside, { recursive: true, force: true });
  return true;
}

/**
 * @param {string} path
 * @param {{ pid: number, host: string } | undefined} owner
 */
async function isStale(path, owner) {
  if (owner?.host === hostname() && !isAlive(owner.pid)) return true;
  const age = await stat(path).then(
    (info) => Date.now() - info.mtimeMs,
    () => 0,
  );
  return age > STALE_MS;
}

/**
 * @param {string} path
 * @returns {Promise<{ pid: number, host: string, token: string } | undefined>}
 */
async function readOwner(path) {
  try {
    return JSON.parse(await readFile(join(path, 'owner.json'), 'utf8'));
  } catch {
    return undefined; // just made, just removed, or cut short by a kill: its age decides
  }
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
