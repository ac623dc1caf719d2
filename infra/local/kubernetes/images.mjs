// The images of the test cluster, as archives in the user's cache that nodes import: there is no registry.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from '../lock.mjs';
import { cacheFolder } from '../servers.mjs';
import { runQuietly, SetupError, step } from '../steps.mjs';

const SCRIPT = fileURLToPath(new URL('./images.sh', import.meta.url));
/** All that an image can be made of, as in .dockerignore, and how. */
const SOURCES = [
  'package.json',
  'package-lock.json',
  '.dockerignore',
  'images',
  'activities',
  'configs',
  'core',
  'workers',
  'workflows',
  ...['build.mjs', 'lock.mjs', 'processes.ts', 'program.ts', 'with-parent.mjs'].map(
    (file) => `infra/local/${file}`,
  ),
  'infra/package/make-dist.mjs',
];

/**
 * Makes those images whose making has changed.
 *
 * @param {string} root
 * @param {string} versitygw the S3 server's program
 * @param {AbortSignal} signal
 * @returns {Promise<string>} a folder of docker-archives
 */
export async function ensureImages(root, versitygw, signal) {
  const cache = join(cacheFolder(), 'tessera/cluster');
  const archives = join(cache, 'images');
  const script = await readFile(SCRIPT);
  const base = hash(script, process.version, process.execPath);
  const tools = hash(script, versitygw);
  const tessera = hash(base, await contentHash(root));
  const steps = [
    {
      name: 'base',
      key: base,
      title: 'Base image',
      what: 'Debian and Node (30 s, once)',
      args: [process.execPath],
    },
    {
      name: 'tools',
      key: tools,
      title: 'Tool images',
      what: 'S3 server, pause container',
      args: [versitygw],
    },
    {
      name: 'tessera',
      key: tessera,
      title: 'Tessera images',
      what: 'building (15 s, once 1 minute)',
      args: [root],
    },
    { name: 'unpack', key: hash(tools, tessera), title: 'Images for nodes', what: 'unpacking', args: [] },
  ];

  const onWait = () => process.stderr.write('▸ Images: waiting for another Tessera that builds them\n');
  await withLock(join(cache, 'lock'), make, { signal, onWait });
  return archives;

  async function make() {
    await mkdir(archives, { recursive: true });
    for (const { name, key, title, what, args } of steps) {
      const marker = join(cache, `${name}.key`);
      if ((await readFile(marker, 'utf8').catch(() => '')) === key) continue;
      await rm(marker, { force: true });
      await step(title, what, async () => {
        const run = () => runQuietly(SCRIPT, [name, cache, ...args], { cwd: root, signal });
        let { code, tail } = await run();
        if (code !== 0 && name === 'unpack') {
          // What an earlier one left when it was killed: begun anew, it takes half a minute.
          await rm(join(archives, 'unpacked'), { recursive: true, force: true });
          ({ code, tail } = await run());
        }
        if (code !== 0) throw new SetupError(`images.sh ${name} failed (exit code ${code}):\n${tail}`);
      });
      await writeFile(marker, key); // Last: what is interrupted is done again.
    }
  }
}

function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

async function contentHash(root) {
  const sum = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(root, source);
    if (!existsSync(path)) continue;
    const files = (await stat(path)).isDirectory() ? await filesIn(path) : [path];
    for (const file of files)
      sum
        .update(file.slice(root.length))
        .update('\0')
        .update(await readFile(file));
  }
  return sum.digest('hex');
}

async function filesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
