import { type ChildProcess, execFile } from 'node:child_process';
import { ROOT } from '../infra/observe.ts';

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the `tessera` command as a shell would. @param onStart sees its process */
export function tesseraCommand(
  args: string[],
  { env = {}, onStart }: { env?: NodeJS.ProcessEnv; onStart?: (child: ChildProcess) => void } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
    const child = execFile('node', ['cli/tessera.mjs', ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
    onStart?.(child);
  });
}
