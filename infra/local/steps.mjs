// What the bootstrap does on the way: commands that may take minutes, shown as one line each.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const WITH_PARENT = fileURLToPath(new URL('./with-parent.mjs', import.meta.url));
/** A log that scrolls wants fewer lines than a terminal whose line is written anew. */
const TICK_MS = process.stderr.isTTY ? 1_000 : 10_000;
const TAIL_LINES = 25;

/** What a user can act on: shown as it is, without a stack. */
export class SetupError extends Error {}

/**
 * Shows `▸ name: what … 35 s` while `work` runs, then `✓ name`.
 *
 * @template T
 * @param {string} name
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(name, what, work) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const again = process.stderr.isTTY ? '\r\x1b[2K' : '';
  const end = process.stderr.isTTY ? '' : '\n';
  process.stderr.write(`▸ ${name}: ${what}${end}`);
  const ticker = setInterval(
    () => process.stderr.write(`${again}▸ ${name}: ${what} … ${seconds()} s${end}`),
    TICK_MS,
  );
  try {
    const result = await work();
    process.stderr.write(`${again}✓ ${name} (${seconds()} s)\n`);
    return result;
  } catch (error) {
    process.stderr.write(`${again}✗ ${name}\n`);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

/**
 * Runs a command that can't outlive us, and keeps the end of its output to show should it fail.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 * @returns {Promise<{ code: number, tail: string }>}
 * @throws the signal's reason, after the command has ended
 */
export function runQuietly(command, args, { cwd, env = process.env, signal }) {
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [WITH_PARENT, '0', command, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  /** @type {string[]} */
  const tail = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    });
  }
  // No grace: npm goes on after SIGTERM, and all that these commands leave half done is done anew.
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  signal?.addEventListener('abort', kill, { once: true });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', kill); // what it may have left behind, which would hold our pipes open
    child.once('close', (code) => {
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code: code ?? 1, tail: tail.join('\n') });
    });
  });
}
