// The test cluster: what it needs on this machine, and a command beside it. Plain Node, as all of the bootstrap.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureServer } from '../servers.mjs';
import { runQuietly, SetupError, step } from '../steps.mjs';
import { ensureImages } from './images.mjs';

const RIG = fileURLToPath(new URL('./rig.sh', import.meta.url));
const WITH_PARENT = fileURLToPath(new URL('../with-parent.mjs', import.meta.url));
/** Should we be killed, the rig has so long to remove its folders. */
const GRACE_MS = 10_000;
// As the discovery of GPUs labels such nodes.
const NODES = ['node-1', 'node-2'].map((name) => `${name},nvidia.com/gpu.present=true`);

/** Debian's packages, each with a program or file that shows that it is there. */
const PACKAGES = {
  containerd: 'containerd',
  runc: 'runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iptables: 'iptables',
  conntrack: 'conntrack',
  iproute2: 'ip',
  openssl: 'openssl',
  buildah: 'buildah',
  mmdebstrap: 'mmdebstrap',
  'busybox-static': '/bin/busybox',
};

/**
 * @typedef {{ kube: string, images: string }} Cluster
 */

/**
 * Makes ready what the cluster runs.
 *
 * @param {string} root
 * @param {string} versitygw its program, of which the cluster gets an image
 * @param {AbortSignal} signal
 * @returns {Promise<Cluster>}
 */
export async function prepareCluster(root, versitygw, signal) {
  const kube = await ensureServer('kube', { signal });
  return { kube, images: await ensureImages(root, versitygw, signal) };
}

/**
 * Installs what runs containers and makes images, where this machine lacks it.
 *
 * @param {string} root
 * @param {AbortSignal} signal
 * @throws {SetupError} where it can't
 */
export async function ensureContainerTools(root, signal) {
  const otherwise = 'Or set KUBECONFIG to use a cluster of your own (see docs/operations.md).';
  if (process.platform !== 'linux' || process.getuid() !== 0)
    throw new SetupError(`The test cluster needs Linux and root: it starts containers. ${otherwise}`);
  const missing = Object.keys(PACKAGES).filter((name) => !isThere(PACKAGES[name]));
  if (missing.length === 0) return;
  if (!isThere('apt-get'))
    throw new SetupError(
      `The test cluster needs ${missing.map((name) => PACKAGES[name]).join(', ')}, which this machine lacks, and only on Debian it can install them. ${otherwise}`,
    );
  await step('Container tools', `installing Debian's ${missing.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = ['install', '--yes', '--no-install-recommends', ...missing];
    for (const args of [['update'], install]) {
      const { code, tail } = await runQuietly('apt-get', ['-qq', ...args], { cwd: root, env, signal });
      if (code !== 0) throw new SetupError(`apt-get ${args[0]} failed (exit code ${code}):\n${tail}`);
    }
  });
}

/** @param {string} program a name to be found on PATH, or a file */
function isThere(program) {
  if (program.startsWith('/')) return existsSync(program);
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Runs a command beside a fresh cluster of two nodes, which ends with it. A signal ends both.
 *
 * @param {Cluster} cluster
 * @param {readonly string[]} command
 * @param {string} cwd
 * @returns {Promise<number>} its exit code
 */
export function runInCluster({ kube, images }, command, cwd) {
  const args = [WITH_PARENT, `${GRACE_MS}`, RIG, 'run', kube, images, ...NODES, '--', ...command];
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, TESSERA_IMAGES: images },
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  let received;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      received ??= signal;
      child.kill('SIGTERM');
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(received ? 128 + os.signals[received] : (code ?? 1)));
  });
}
