// Finds or builds the servers that tests and demos run against. Plain Node: the bootstrap runs this first of all.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { goByPip } from './go.mjs';
import { withLock } from './lock.mjs';
import { runQuietly, SetupError, step } from './steps.mjs';

const STRIP = '-s -w';
const KUBERNETES = '1.37.2';
const inKubernetes = (variable, value) => `-X k8s.io/component-base/version.${variable}=${value}`;

/**
 * `version` is what go.mod pins, `atLeast` what is taken from PATH. A build from source doesn't know its own
 * version and is passed over: it may be anything.
 */
const SERVERS = {
  temporal: {
    title: 'Temporal server',
    module: 'temporal',
    version: '1.5.1',
    atLeast: [1, 5],
    versionPattern: /temporal version v?(\d+)\.(\d+)/,
    expectation: 'about 4 minutes, once',
  },
  versitygw: {
    title: 'S3 server',
    module: 's3',
    version: '1.8.0',
    atLeast: [1, 8],
    versionPattern: /Version\s*:\s*v?(\d+)\.(\d+)/,
    expectation: 'about 2 minutes, once',
    env: { CGO_ENABLED: '0' }, // See its go.mod.
  },
  kwok: {
    title: 'KWOK',
    module: 'kubernetes/kwok',
    version: '0.8.0',
    atLeast: [0, 8],
    versionPattern: /kwok version v?(\d+)\.(\d+)/,
    expectation: 'about 1 minute, once',
  },
  kube: {
    title: 'Kubernetes',
    module: 'kubernetes/kube',
    version: KUBERNETES,
    expectation: 'about 6 minutes, once',
    // Our own main package: all of Kubernetes in one program, for the test cluster only. Nobody has it on PATH.
    package: '.',
    env: { CGO_ENABLED: '0' },
    // Without its version a kubelet calls itself v0.0.0, which the API server takes for too old.
    ldflags: [
      STRIP,
      inKubernetes('gitVersion', `v${KUBERNETES}`),
      inKubernetes('gitMajor', KUBERNETES.split('.')[0]),
      inKubernetes('gitMinor', KUBERNETES.split('.')[1]),
    ].join(' '),
  },
};

/**
 * Gives the path of a server's program: from PATH, from the user's cache, or built with Go into the cache.
 *
 * @param {keyof typeof SERVERS} name
 * @param {{ signal?: AbortSignal }} [options]
 * @returns {Promise<string>}
 * @throws {SetupError} if it is not there and can't be built
 */
export async function ensureServer(name, { signal } = {}) {
  const server = SERVERS[name];
  const installed = server.atLeast && (await findInstalled(name, server));
  if (installed) return installed;

  const moduleFolder = fileURLToPath(new URL(`./${server.module}/`, import.meta.url));
  const cache = join(cacheFolder(), 'tessera/bin');
  const target = join(cache, `${name}-${server.version}-${await pinHash(moduleFolder)}`);
  const binary = join(target, name);
  if (isExecutable(binary)) return binary;

  const onWait = () =>
    process.stderr.write(
      `▸ ${server.title}: waiting for another Tessera that builds it (${server.expectation})\n`,
    );
  return withLock(
    `${target}.lock`,
    async () => {
      if (isExecutable(binary)) return binary;
      await removeLeftovers(target);
      await step(server.title, `building from Go modules (${server.expectation})`, () =>
        build(name, moduleFolder, target, signal),
      );
      return binary;
    },
    { signal, onWait },
  );
}

/** @returns {Promise<string | undefined>} the program on PATH, if its version fits */
async function findInstalled(name, { versionPattern, atLeast }) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, name);
    if (!isAbsolute(folder) || !isExecutable(program)) continue;
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 }).catch(() => ({
      stdout: '',
    }));
    const [major, minor] = (versionPattern.exec(stdout) ?? []).slice(1).map(Number);
    const [needMajor, needMinor] = atLeast;
    if (major > needMajor || (major === needMajor && minor >= needMinor)) return program;
  }
  return undefined;
}

/**
 * Builds into a folder beside the target and renames it, so that the target is whole or not there.
 *
 * @param {string} name
 * @param {string} moduleFolder
 * @param {string} target
 * @param {AbortSignal | undefined} signal
 */
async function build(name, moduleFolder, target, signal) {
  const draft = `${target}.draft-${process.pid}`;
  await mkdir(join(draft, 'tmp'), { recursive: true });
  try {
    // Go's own temporary files lie in the draft as well: a killed build leaves nothing elsewhere.
    const server = SERVERS[name];
    const env = { ...process.env, GOTMPDIR: join(draft, 'tmp'), GOWORK: 'off', ...server.env };
    const flags = ['-trimpath', `-ldflags=${server.ldflags ?? STRIP}`];
    const args = ['build', ...flags, '-o', `${draft}/`, server.package ?? 'tool'];
    const build = (go) => runQuietly(go, args, { cwd: moduleFolder, env, signal });
    let { code, tail } = await build('go');
    const lack = whyNoGo(code, tail);
    if (lack) {
      const go = await goByPip(join(cacheFolder(), 'tessera'), signal);
      if (!go) throw new SetupError(await prerequisite(name, moduleFolder, lack));
      ({ code, tail } = await build(go));
    }
    if (code !== 0) throw new SetupError(`go build of ${name} failed (exit code ${code}):\n${tail}`);
    await rm(join(draft, 'tmp'), { recursive: true, force: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Why this machine's Go can't build it, if that is for want of Go. */
function whyNoGo(code, tail) {
  if (code === 127) return 'Go is not installed';
  const isOld = code !== 0 && /requires go >=|toolchain not available|unknown directive/.test(tail);
  return isOld ? (tail.trim().split('\n').at(-1) ?? '') : undefined;
}

async function prerequisite(name, moduleFolder, reason) {
  const goMod = await readFile(join(moduleFolder, 'go.mod'), 'utf8');
  const goVersion = /^go (\S+)/m.exec(goMod)?.[1];
  const { title, atLeast } = SERVERS[name];
  const otherwise = atLeast ? `, or put \`${name}\` (${atLeast.join('.')} or newer) on PATH` : '';
  return (
    `${reason}: Go ${goVersion} or newer, or Python 3 with pip, which brings it, is needed to build the ${title}. ` +
    `Install either from your distribution${otherwise}.`
  );
}

/** Drafts of bootstraps that were killed. Only called with the lock held, so nobody is at work on one. */
async function removeLeftovers(target) {
  for (const entry of await readdir(dirname(target))) {
    const path = join(dirname(target), entry);
    if (path.startsWith(`${target}.draft-`)) await rm(path, { recursive: true, force: true });
  }
}

async function pinHash(moduleFolder) {
  const hash = createHash('sha256');
  const ours = (await readdir(moduleFolder)).filter((file) => file.endsWith('.go')).sort();
  for (const file of ['go.sum', 'go.mod', ...ours]) hash.update(await readFile(join(moduleFolder, file)));
  return hash.digest('hex').slice(0, 12);
}

/** Where programs keep what can be made again. */
export function cacheFolder() {
  const xdg = process.env.XDG_CACHE_HOME;
  return xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'); // The XDG rules: a relative one is ignored.
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
