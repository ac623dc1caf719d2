import { execFile, execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** kubectl of the program that the cluster is made of, or the user's own for a cluster of theirs. */
const [command, ...prefix] = process.env.KUBE ? [process.env.KUBE, 'kubectl'] : ['kubectl'];

/** @throws Error with what kubectl says on stderr */
export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command!, [...prefix, ...args], { maxBuffer: 64 << 20 });
  return stdout;
}

/** With something on stdin, such as a manifest. */
export function kubectlWith(input: string, ...args: string[]): string {
  return execFileSync(command!, [...prefix, ...args], { input, encoding: 'utf8', stdio: 'pipe' });
}

export async function getJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl('get', ...args, '-o', 'json'));
}

/** Waits for something to become true, which may throw until then. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  { timeoutMs = 60_000, everyMs = 250 } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`, { cause: last });
    await sleep(everyMs);
  }
}
