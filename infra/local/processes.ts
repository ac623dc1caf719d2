import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What a server needs to close its files, with much to spare. */
const DEFAULT_GRACE_MS = 3_000;
const WITH_PARENT = fileURLToPath(new URL('./with-parent.mjs', import.meta.url));

export interface TiedOptions {
  cwd?: string;
  /** The whole environment of the child; ours by default. */
  env?: NodeJS.ProcessEnv;
  /** How long it has to end by itself, after SIGTERM, before it is killed; 3 s by default. */
  graceMs?: number;
  /** Where its output goes: a file that is written anew, our own output, pipes on `child`, or nowhere. */
  output: { file: string } | 'inherit' | 'pipe' | 'ignore';
}

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface TiedProcess extends AsyncDisposable {
  /** Also the id of the process group in which the command and all its children run. */
  pid: number;
  child: ChildProcess;
  /** Resolves, never rejects, once the command has ended. A command that can't be run ends with code 127. */
  exited: Promise<Exit>;
  /** SIGTERM, then SIGKILL after the grace; resolves when nothing of it runs any more. */
  stop(): Promise<Exit>;
  /** SIGKILL at once, for fault tests and for those who can't wait. */
  kill(): void;
}

/**
 * Starts a command that ends when we do, however we end.
 *
 * It runs in a process group of its own, so that Ctrl-C in a terminal reaches us only, and we decide in which
 * order things end.
 */
export function spawnTied(command: string, args: readonly string[], options: TiedOptions): TiedProcess {
  const { output, graceMs = DEFAULT_GRACE_MS } = options;
  const sink = typeof output === 'object' ? openSync(output.file, 'w') : output;
  const child = spawn(process.execPath, [WITH_PARENT, `${graceMs}`, command, ...args], {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ['ignore', sink, sink, 'pipe'],
  });
  if (typeof sink === 'number') closeSync(sink);

  // The tie itself must not keep our event loop running; the child does.
  const tie = child.stdio[3] as Socket | null;
  tie?.on('error', () => {});
  tie?.unref();

  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: null }));
    child.once('exit', (code, signal) => {
      killGroup(child.pid); // what the command may have left behind
      resolve({ code, signal });
    });
  });

  async function stop(): Promise<Exit> {
    child.kill('SIGTERM');
    const patience = new AbortController();
    await Promise.race([exited, sleep(graceMs, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    killGroup(child.exitCode === null && child.signalCode === null ? child.pid : undefined);
    return exited;
  }

  return {
    pid: child.pid ?? -1,
    child,
    exited,
    stop,
    kill: () => killGroup(child.pid),
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of the group is left.
  }
}
