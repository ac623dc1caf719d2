// Brings ONNX Runtime's CUDA provider, and builds the fake CUDA that it runs on here. Plain Node, like the bootstrap.
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from '../local/lock.mjs';
import { cacheFolder } from '../local/servers.mjs';
import { runQuietly, SetupError, step } from '../local/steps.mjs';

const PROVIDERS = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];
const TOOLS = { gcc: 'gcc', nm: 'binutils', strings: 'binutils', python3: 'python3' };
/** What the fake is made of. */
const SOURCES = ['fake_cuda.c', 'build.sh'];
/** For this platform the wheel's hash is pinned; its provider doesn't care which Python fetched it. */
const WHEEL = ['--only-binary=:all:', '--implementation=cp', '--python-version=3.11'];
const PLATFORM = '--platform=manylinux_2_28_x86_64';

/**
 * Makes a folder for LD_LIBRARY_PATH in which onnxruntime-node finds the real CUDA provider on a fake CUDA.
 *
 * @param {string} root the repository
 * @param {AbortSignal} signal
 * @returns {Promise<{ libraries: string } | { skipped: string }>} `skipped` says why this machine can't run it
 * @throws {SetupError} if the provider can't be fetched, or the fake not be built
 */
export async function prepareCuda(root, signal) {
  const skipped = await missing(root, signal);
  if (skipped) return { skipped };
  const wheel = await pinnedWheel(root);
  const provider = await ensureProvider(wheel, signal);
  const fake = await ensureFake(provider, wheel, signal);
  const libraries = join(root, '.tessera/cuda-check/lib');
  await withLock(join(root, '.tessera/locks/cuda-check'), () => link(root, libraries, [provider, fake]), {
    signal,
  });
  return { libraries };
}

/**
 * ONNX Runtime's CUDA provider, in a folder of the user's cache.
 *
 * @param {string} root the repository
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 * @throws {SetupError} if it can't be fetched
 */
export async function fetchProvider(root, signal) {
  return ensureProvider(await pinnedWheel(root), signal);
}

async function missing(root, signal) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `the CUDA provider is for Linux on x86-64, and this is ${process.platform} on ${process.arch}`;
  const packages = Object.entries(TOOLS).filter(([tool]) => !isOnPath(tool));
  if (packages.length > 0) return `install ${[...new Set(packages.map(([, name]) => name))].join(', ')}`;
  const { code } = await runQuietly('python3', ['-m', 'pip', '--version'], { cwd: root, signal });
  return code === 0 ? null : 'install pip for python3 (Debian: python3-pip)';
}

function isOnPath(tool) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The one line of the GPU image's requirements that names ONNX Runtime, which must be the npm package's version. */
async function pinnedWheel(root) {
  const file = 'images/worker/cuda-requirements.txt';
  const text = await readFile(join(root, file), 'utf8');
  const [line, version, hash] = /^onnxruntime-gpu==(\S+) .*--hash=sha256:(\w+)$/m.exec(text) ?? [];
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const wanted = dependencies['onnxruntime-node'];
  if (version !== wanted)
    throw new SetupError(`${file}: expected onnxruntime-gpu==${wanted} with its hash, found ${line}`);
  return { line, name: `${version}-${hash.slice(0, 12)}` };
}

async function ensureProvider({ line, name }, signal) {
  const target = join(cacheFolder(), 'tessera', `cuda-provider-${name}`);
  return makeOnce(target, 'CUDA provider', 'fetching 247 MB, once', signal, async (draft) => {
    const requirements = join(draft, 'requirements.txt');
    await writeFile(requirements, `${line}\n`);
    const site = join(draft, 'site');
    const flags = ['--no-deps', '--no-compile', '--no-cache-dir', '--require-hashes', '--quiet'];
    const args = ['-m', 'pip', 'install', ...flags, ...WHEEL, PLATFORM, '--target', site, '-r', requirements];
    const { code, tail } = await runQuietly('python3', args, { cwd: draft, signal });
    if (code !== 0)
      throw new SetupError(`pip could not fetch the CUDA provider (exit code ${code}):\n${tail}`);
    for (const file of PROVIDERS) await rename(join(site, 'onnxruntime/capi', file), join(draft, file));
    await rm(site, { recursive: true });
  });
}

async function ensureFake(provider, { name }, signal) {
  const sources = SOURCES.map((file) => fileURLToPath(new URL(file, import.meta.url)));
  const hash = createHash('sha256');
  for (const file of sources) hash.update(await readFile(file));
  const target = join(cacheFolder(), 'tessera', `fake-cuda-${name}-${hash.digest('hex').slice(0, 12)}`);
  return makeOnce(target, 'fake CUDA', 'building, once', signal, async (draft) => {
    const [, build] = sources;
    const { code, tail } = await runQuietly('sh', [build, join(provider, PROVIDERS[0]), draft], {
      cwd: draft,
      signal,
    });
    if (code !== 0) throw new SetupError(`the fake CUDA could not be built (exit code ${code}):\n${tail}`);
  });
}

/** Makes a folder beside the target and renames it, so that the target is whole or not there. */
async function makeOnce(target, title, what, signal, make) {
  if (existsSync(target)) return target;
  const onWait = () => process.stderr.write(`▸ ${title}: waiting for another Tessera that makes it\n`);
  return withLock(
    `${target}.lock`,
    async () => {
      if (existsSync(target)) return target;
      const draft = `${target}.draft`; // Only who has the lock is at work on one; a killed one's is made anew.
      await rm(draft, { recursive: true, force: true });
      await mkdir(draft, { recursive: true });
      await step(title, what, () => make(draft));
      await rename(draft, target);
      return target;
    },
    { signal, onWait },
  );
}

/** ONNX Runtime looks for providers beside itself: links in a folder of our own leave node_modules as it is. */
async function link(root, libraries, folders) {
  await rm(libraries, { recursive: true, force: true });
  await mkdir(libraries, { recursive: true });
  const own = join(root, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1');
  await symlink(own, join(libraries, 'libonnxruntime.so.1'));
  for (const folder of folders)
    for (const file of await readdir(folder))
      if (/\.so(\.\d+)?$/.test(file)) await symlink(join(folder, file), join(libraries, file));
}
