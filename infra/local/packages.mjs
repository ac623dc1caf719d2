// Brings node_modules to what package-lock.json says.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { runQuietly, SetupError, step } from './steps.mjs';

/**
 * Installs the npm packages if they are not those of package-lock.json.
 *
 * @param {string} root
 * @param {AbortSignal} signal
 */
export async function ensurePackages(root, signal) {
  const lockFile = await readFile(join(root, 'package-lock.json'));
  const hash = createHash('sha256').update(lockFile).digest('hex');
  const marker = join(root, 'node_modules/.tessera-lock');
  const isDone = async () => (await readFile(marker, 'utf8').catch(() => '')) === hash;
  if (await isDone()) return;
  if (await isInstalledByHand(root, lockFile)) {
    await writeFile(marker, hash).catch(() => {}); // Only saves the comparison: a read-only image does without.
    return;
  }

  const onWait = () =>
    process.stderr.write('▸ npm packages: waiting for another Tessera that installs them\n');
  await withLock(join(root, '.tessera/locks/npm'), install, { signal, onWait });

  async function install() {
    if (await isDone()) return;
    await rm(marker, { force: true });
    await step('npm packages', 'installing (about 1 minute)', () => npmCi(root, signal));
    await writeFile(marker, hash); // Last: an interrupted install has no marker and is done again.
  }
}

/**
 * @param {string} root
 * @param {AbortSignal} signal
 */
async function npmCi(root, signal) {
  // Flags rather than what `npm run --silent`, `--omit` or NODE_ENV=production pass down in the environment:
  // tsx is a development dependency, and a failure must be heard.
  const flags = ['--ignore-scripts', '--include=dev', '--loglevel=warn'];
  flags.push('--no-audit', '--no-fund', '--no-update-notifier');
  const npm = process.env.npm_execpath;
  const [command, ...args] = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const { code, tail } = await runQuietly(command, [...args, 'ci', ...flags], { cwd: root, env, signal });
  if (code !== 0) throw new SetupError(`npm ci failed (exit code ${code}):\n${tail}`);
}

/**
 * Whether `npm ci` or `npm install` was run to its end by the user: npm then writes, last of all, what it has
 * installed.
 *
 * @param {string} root
 * @param {Buffer} lockFile
 */
async function isInstalledByHand(root, lockFile) {
  const installed = await readFile(join(root, 'node_modules/.package-lock.json'), 'utf8').catch(
    () => undefined,
  );
  if (!installed) return false;
  try {
    const has = JSON.parse(installed).packages;
    return Object.entries(JSON.parse(lockFile.toString()).packages).every(
      ([path, wanted]) =>
        path === '' ||
        (has[path] ? has[path].version === wanted.version && existsSync(join(root, path)) : wanted.optional),
    );
  } catch {
    return false; // Cut short: npm ci settles it.
  }
}
