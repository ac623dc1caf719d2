import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the code lies that runs: a clone's sources, or what was compiled of them. */
export const CODE = fileURLToPath(new URL('..', import.meta.url));

/** The clone, the installed package or the image: the nearest folder with a package.json. */
export const PACKAGE = rootOf(CODE);

/** npm leaves package-lock.json out of what it packs. */
export const isClone = existsSync(path.join(PACKAGE, 'package-lock.json'));

/** Folder of everything that Tessera keeps on a machine: cache, logs, the local stack's state. */
export function stateFolder(): string {
  const { TESSERA_STATE, XDG_STATE_HOME } = process.env;
  if (TESSERA_STATE) return path.resolve(TESSERA_STATE);
  if (isClone) return path.join(PACKAGE, '.tessera');
  const isAbsolute = XDG_STATE_HOME !== undefined && path.isAbsolute(XDG_STATE_HOME);
  return path.join(isAbsolute ? XDG_STATE_HOME : path.join(os.homedir(), '.local/state'), 'tessera');
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
  const { version } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'));
  if (!existsSync(path.join(PACKAGE, '.git'))) return version;
  try {
    const git = execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: PACKAGE,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `${version}+${git.toString().trim()}`;
  } catch {
    return version;
  }
}

function rootOf(folder: string): string {
  let root = path.resolve(folder);
  while (!existsSync(path.join(root, 'package.json'))) {
    const parent = path.dirname(root);
    if (parent === root) throw new Error(`${folder}: no package.json in it or above it`);
    root = parent;
  }
  return root;
}
