import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE } from '../../workers/environment.ts';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `tessera …` as a user does, in a folder of theirs, with the servers that this process works with. */
export async function command(cwd: string, ...words: string[]): Promise<Ended> {
  const program = [path.join(PACKAGE, 'cli', 'tessera.mjs'), ...words];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, program, { cwd });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}
