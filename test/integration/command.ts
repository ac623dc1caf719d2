import { type ChildProcess, execFile } from 'node:child_process';
import path from 'node:path';
import { ROOT } from '../infra/observe.ts';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the `tessera` command as a shell would. @param onStart sees its process */
export function tesseraCommand(
  args: string[],
  {
    cwd = ROOT,
    env = {},
    onStart,
  }: { cwd?: string; env?: NodeJS.ProcessEnv; onStart?: (child: ChildProcess) => void } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
    const child = execFile(
      process.execPath,
      [path.join(ROOT, 'cli/tessera.mjs'), ...args],
      options,
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
    onStart?.(child);
  });
}

/** Runs it in a folder of a user's. */
export function command(cwd: string, ...words: string[]): Promise<Ended> {
  return tesseraCommand(words, { cwd });
}
