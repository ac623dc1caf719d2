// Compiles the TypeScript of a clone, file by file, so that no process loads a compiler at its start.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { withLock } from './lock.mjs';

/** What is shipped: code, and the recipes. */
export const SHIPPED = ['activities', 'cli', 'configs', 'core', 'infra/local', 'workers', 'workflows'];
/** What a clone's programs load at run time: of test/, what measures and compares. */
const ROOMS = [
  ...SHIPPED.filter((room) => room !== 'infra/local'),
  'infra',
  'test/bench',
  'test/dev.ts',
  'test/golden/check',
  'test/smoke',
];
/** Files that are taken as they are, beside compiled code: what programs read, run or compile. */
const ASSETS = /\.(mjs|css|json|yaml|py|sh|c|h|go|mod|sum|txt)$/;
/** Builds of earlier states of the code: a process may still load from them. */
const KEEP_MS = 24 * 60 * 60 * 1000;

/**
 * Gives the folder of a clone's compiled code, made anew where the code has changed.
 *
 * @param {string} root
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>} a folder laid out as the clone is, with `.js` for `.ts`
 */
export async function ensureBuild(root, signal) {
  const files = sources(root);
  const folder = join(root, '.tessera/build', stateOf(root, files));
  if (existsSync(folder)) return folder;
  return withLock(
    join(root, '.tessera/locks/build'),
    async () => {
      if (!existsSync(folder)) {
        await removeOld(dirname(folder));
        await buildTo(root, folder, files);
      }
      return folder;
    },
    { signal },
  );
}

/**
 * Compiles a clone into a folder, which appears when it is whole.
 *
 * @param {string} root
 * @param {string} folder
 * @param {string[]} files
 */
export async function buildTo(root, folder, files) {
  const { build } = await import('esbuild');
  const draft = `${folder}.draft-${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: files.filter((file) => /\.tsx?$/.test(file)),
    outdir: draft,
    outbase: root,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.15',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'error',
    plugins: [{ name: 'file by file', setup: ({ onResolve }) => onResolve({ filter: /.*/ }, keepImport) }],
  });
  for (const file of files.filter((name) => ASSETS.test(name))) {
    await mkdir(dirname(join(draft, file)), { recursive: true });
    await cp(join(root, file), join(draft, file));
  }
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
}

/** Imports stay imports, of the compiled file. */
function keepImport({ path, kind }) {
  if (kind === 'entry-point') return undefined;
  return { path: path.startsWith('.') ? path.replace(/\.tsx?$/, '.js') : path, external: true };
}

/**
 * What is compiled and copied, as paths from the root.
 *
 * @param {string} root
 */
export function sources(root, rooms = ROOMS) {
  return rooms
    .filter((room) => existsSync(join(root, room)))
    .flatMap((room) => filesIn(root, room))
    .filter((file) => !/\.(d\.mts|test\.ts)$/.test(file) && (/\.tsx?$/.test(file) || ASSETS.test(file)))
    .sort();
}

/** A folder's files, or the one file that it is. */
function filesIn(root, room) {
  if (statSync(join(root, room)).isFile()) return [room];
  return readdirSync(join(root, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));
}

/** A name for the state of the code: sizes and times of its files. */
function stateOf(root, files) {
  const hash = createHash('sha256');
  for (const file of [...files, 'package.json', 'infra/local/build.mjs']) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

async function removeOld(folder) {
  for (const name of await readdir(folder).catch(() => [])) {
    const build = join(folder, name);
    const { mtimeMs } = await stat(build);
    if (Date.now() - mtimeMs > KEEP_MS) await rm(build, { recursive: true, force: true });
  }
}
