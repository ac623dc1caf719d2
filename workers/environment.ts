import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));

/** Folder of everything that Tessera keeps on a machine: cache, logs, the local stack's state. */
export function stateFolder(): string {
  return path.resolve(process.env.TESSERA_STATE ?? path.join(REPOSITORY, '.tessera'));
}

/** The weights' cache, shared by all workers of a node. */
export function cacheFolder(): string {
  return path.resolve(process.env.TESSERA_CACHE ?? path.join(stateFolder(), 'cache'));
}

/** Where a worker keeps files that end with it, such as checkpoints on their way: a pod's own volume, if it has one. */
export function scratchFolder(): string {
  return path.resolve(process.env.TESSERA_SCRATCH || path.join(stateFolder(), 'scratch'));
}

/** Version of the code that runs: as built into an image, else the checkout's commit. */
export function codeVersion(): string {
  if (process.env.TESSERA_CODE_VERSION) return process.env.TESSERA_CODE_VERSION;
  const { version } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8'));
  try {
    const git = execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: REPOSITORY,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `${version}+${git.toString().trim()}`;
  } catch {
    return version;
  }
}
