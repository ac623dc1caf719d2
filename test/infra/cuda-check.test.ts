import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, temporaryFolder } from './observe.ts';

test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'the check on CUDA is skipped where it cannot be built, and says what is missing',
  () => {
    const folder = temporaryFolder();
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    const env = { ...process.env, PATH: bin, XDG_CACHE_HOME: join(folder, 'cache') };
    const output = execFileSync(process.execPath, ['infra/local/bootstrap.mjs', 'cuda'], { cwd: ROOT, env });
    expect(output.toString()).toBe('npm run check:cuda: skipped, install gcc, binutils, python3\n');
  },
);
