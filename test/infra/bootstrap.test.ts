import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { processesWith, ROOT, startNode, temporaryFolder, until } from './observe.ts';

vi.setConfig({ testTimeout: 30_000 });

/** A clone with the real bootstrap and a command that holds a stack; `programs` stand first on its PATH. */
function clone({ npmPackages = 'linked', programs = {} }: CloneOptions) {
  const root = temporaryFolder();
  for (const part of ['core', 'infra/local', 'infra/cuda-check'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  mkdirSync(join(root, 'cli'));
  for (const file of ['tsconfig.json', 'cli/tessera.mjs']) cpSync(join(ROOT, file), join(root, file));
  const main = `
    import { startStack } from '../infra/local/stack.ts';
    console.log('arguments', ...process.argv.slice(2));
    if (process.argv[2] === 'fail') process.exit(3);
    if (process.argv[2] === 'stack') {
      const stack = await startStack();
      process.once('SIGINT', () => stack[Symbol.asyncDispose]());
      console.log('ready');
    }`;
  writeFileSync(join(root, 'cli/main.ts'), main);
  const lock = '{ "packages": {} }';
  writeFileSync(join(root, 'package-lock.json'), lock);
  if (npmPackages === 'linked') linkPackages(join(root, 'node_modules'), lock);

  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, npm_execpath: undefined };
  return { root, env, bootstrap: join(root, 'infra/local/bootstrap.mjs') };
}

/** The packages of this clone one by one: npm must never find its way through a link to all of them. */
function linkPackages(folder: string, lock: string) {
  mkdirSync(folder);
  for (const name of readdirSync(join(ROOT, 'node_modules')).filter((entry) => !entry.startsWith('.')))
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, name));
  writeFileSync(join(folder, '.tessera-lock'), createHash('sha256').update(lock).digest('hex'));
}

interface CloneOptions {
  npmPackages?: 'linked' | 'missing';
  programs?: Record<string, string>;
}

test('arguments and the exit code pass through, and a warm start says nothing of its own', async () => {
  const { bootstrap, env } = clone({});
  const run = startNode([bootstrap, 'tessera', 'fail', '--flag', 'a b'], env);
  expect(await run.exited).toBe('3');
  expect(run.output()).toBe('arguments fail --flag a b\n');
});

test('SIGINT to a command that holds a stack leaves no process', async () => {
  const { root, bootstrap, env } = clone({});
  const run = startNode([bootstrap, 'tessera', 'stack'], env);
  await until('the stack starts', () => run.output().includes('ready'));
  run.child.kill('SIGINT');
  expect(await run.exited).toBe('0');
  expect(processesWith(root)).toEqual([]);
});

test('an interrupted npm ci leaves no process and is done again; then never', async () => {
  const npm =
    'trap "" TERM; mkdir -p node_modules/esbuild\n[ -e slow ] && { sleep 60 & wait; }\necho installed >> npm.log';
  const { root, bootstrap, env } = clone({ npmPackages: 'missing', programs: { npm } });
  writeFileSync(join(root, 'slow'), '');
  const first = startNode([join(root, 'cli/tessera.mjs'), 'golden'], env);
  await until('npm runs', () => existsSync(join(root, 'node_modules/esbuild')));
  first.child.kill('SIGINT');
  expect(await first.exited).toBe('130');
  expect(processesWith(root)).toEqual([]);

  rmSync(join(root, 'slow'));
  // esbuild is not really there, so the command itself fails: what counts is that npm ran once.
  for (const expected of ['✓ npm packages', 'esbuild']) {
    const again = startNode([bootstrap, 'tessera', 'golden'], env);
    await again.exited;
    expect(again.output()).toContain(expected);
  }
  expect(readFileSync(join(root, 'npm.log'), 'utf8')).toBe('installed\n');
});

test('a failing npm ci is shown with what npm said', async () => {
  const programs = { npm: 'echo "npm error: out of luck" >&2; exit 4' };
  const { bootstrap, env } = clone({ npmPackages: 'missing', programs });
  const run = startNode([bootstrap, 'tessera', 'golden'], env);
  expect(await run.exited).toBe('1');
  expect(run.output()).toMatch(/npm ci failed \(exit code 4\):\nnpm error: out of luck/);
});

test('two at once build a server once; an interrupted build leaves nothing', async () => {
  const go = `echo x >> "$CLONE/go.log"; [ -e "$CLONE/slow" ] && { sleep 60 & wait; }; sleep 0.5
    for last; do if [ "$before" = -o ]; then out=$last; fi; before=$last; done
    for name in temporal versitygw; do echo > "$out/$name"; chmod +x "$out/$name"; done`;
  const { root, bootstrap, env } = clone({ programs: { go } });
  const cache = join(root, 'cache');
  const cold = { ...env, PATH: `${join(root, 'bin')}:/usr/bin:/bin`, XDG_CACHE_HOME: cache, CLONE: root };

  writeFileSync(join(root, 'slow'), '');
  const first = startNode([bootstrap], cold);
  await until('go runs', () => existsSync(join(root, 'go.log')));
  first.child.kill('SIGTERM');
  expect(await first.exited).toBe('143');
  expect(processesWith(root)).toEqual([]);
  expect(readdirSync(join(cache, 'tessera/bin'))).toEqual([]);

  rmSync(join(root, 'slow'));
  rmSync(join(root, 'go.log'));
  const both = [startNode([bootstrap], cold), startNode([bootstrap], cold)];
  for (const { exited } of both) expect(await exited).toBe('0');
  expect(readFileSync(join(root, 'go.log'), 'utf8')).toBe('x\nx\n'); // S3 once, Temporal once
  expect(readdirSync(join(cache, 'tessera/bin'))).toHaveLength(2);
});

test('without Go and Python, one line names what is missing', async () => {
  const { bootstrap, env, root } = clone({});
  const run = startNode([bootstrap], {
    ...env,
    PATH: join(root, 'bin'),
    XDG_CACHE_HOME: join(root, 'cache'),
  });
  expect(await run.exited).toBe('1');
  expect(run.output()).toMatch(
    /✗ Go is not installed: Go 1\.26 or newer, or Python 3 .* put `versitygw` \(1\.8 or newer\) on PATH\.\n$/,
  );
});

test('without Go, pip brings it', async () => {
  const python3 = `[ "$3" = --version ] || [ "$4" = --version ] && exit 0
    for last; do if [ "$before" = --target ]; then out=$last; fi; before=$last; done
    /bin/mkdir -p "$out/go/bin" "$out/go/pkg/tool"
    echo '#!/bin/sh
      for last; do if [ "$before" = -o ]; then out=$last; fi; before=$last; done
      for name in temporal versitygw; do echo > "$out/$name"; /bin/chmod +x "$out/$name"; done' > "$out/go/bin/go"`;
  const { bootstrap, env, root } = clone({ programs: { python3 } });
  const cache = join(root, 'cache');
  const cold = { ...env, PATH: join(root, 'bin'), XDG_CACHE_HOME: cache };
  const run = startNode([bootstrap], cold);
  expect(await run.exited).toBe('0');
  expect(run.output()).toMatch(/✓ Go .*✓ S3 server .*✓ Temporal server/s);
  expect(readdirSync(join(cache, 'tessera'))).toEqual(['bin', 'go-1.26.6']);
});

test('a machine that can run no test cluster says so, and names the way around', async () => {
  const { bootstrap, env, root } = clone({});
  const run = startNode([bootstrap, 'k8s'], { ...env, PATH: join(root, 'bin'), KUBECONFIG: undefined });
  expect(await run.exited).toBe('1');
  expect(run.output()).toMatch(/^✗ The test cluster needs .* Or set KUBECONFIG .*\n$/);
});
