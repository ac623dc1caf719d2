import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BadInput } from '../../core/config/failures.ts';

const run = promisify(execFile);

/** Programs of the original's side. */
export const REFERENCE = fileURLToPath(new URL('../../infra/bench-reference', import.meta.url));

/**
 * The Python that has torch and mmsegmentation, made below `folder` if it isn't there.
 *
 * @throws BadInput if it cannot be made
 */
export async function referenceEnvironment(folder: string, say: (step: string) => void): Promise<string> {
  const venv = path.join(folder, 'venv');
  if (!existsSync(path.join(venv, 'ready'))) {
    say('making the reference environment (torch, mmsegmentation): about 3 minutes and 3 GB, once');
    await mkdir(folder, { recursive: true });
    await rm(venv, { recursive: true, force: true });
    await run(path.join(REFERENCE, 'setup.sh'), [venv], { maxBuffer: 1 << 24 }).catch((cause) => {
      const why = String(cause.stderr || cause.message)
        .trim()
        .split('\n')
        .at(-1);
      throw new BadInput(
        `the reference environment could not be made in ${venv}: ${why}. It needs Python 3.11 and pip; ` +
          'see infra/bench-reference/README.md',
        { cause },
      );
    });
  }
  return path.join(venv, 'bin/python');
}
