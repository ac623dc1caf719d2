import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder, ROOT } from './observe.ts';

/** A folder with nothing in it but the package, installed as npm has packed it. */
let folder: string;
let env: NodeJS.ProcessEnv;

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const tessera = (...args: string[]) => run(join(folder, 'node_modules/.bin/tessera'), ...args);

describe('the npm package, in an empty folder', () => {
  beforeAll(() => {
    folder = makeFolder();
    // As if nothing of a clone had ever been set.
    const { TESSERA_BUILD: _, TESSERA_STATE: __, ...others } = process.env;
    env = { ...others, XDG_STATE_HOME: join(folder, 'state') };
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT });
    const tarball = packed.toString().trim().split('\n').at(-1)!;
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', `./${tarball}`);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('runs the demo from end to end', () => {
    expect(tessera('demo')).toMatch(/\|\s+67\.42 \|\s+35\.34 \|\s+50\.13 \|/);
    expect(existsSync(join(folder, 'state/tessera/demo-input.json'))).toBe(true);
    expect(readdirSync(folder).sort()).toEqual([
      'node_modules',
      'package-lock.json',
      'package.json',
      'state',
      expect.stringMatching(/\.tgz$/),
    ]);
  });

  it("has nothing of its developers' own", () => {
    expect(() => tessera('dev', 'bench')).toThrow("unknown command 'dev'");
    const shipped = readdirSync(join(folder, 'node_modules/tessera-vision'), {
      recursive: true,
      encoding: 'utf8',
    });
    expect(shipped.filter((file) => /(^|\/)(test|bench|golden|smoke)/.test(file))).toEqual([]);
  });

  it('is compiled: it has no compiler', () => {
    expect(readdirSync(join(folder, 'node_modules'))).not.toContain('tsx');
    expect(readdirSync(join(folder, 'node_modules'))).not.toContain('esbuild');
  });

  it('has types that a strict TypeScript project checks against', () => {
    // The documentation's own program, and one mistake.
    const guide = readFileSync(join(ROOT, 'docs/how-to/typescript.md'), 'utf8');
    const [, program] = /```ts\n(.*?)```/s.exec(guide)!;
    const use = `${program}
      // @ts-expect-error a workflow that isn't there
      await start(tessera, 'EvalMiou', {});
    `;
    mkdirSync(join(folder, 'use'), { recursive: true });
    writeFileSync(join(folder, 'use/use.ts'), use);
    const options = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023'];
    const types = [
      '--lib',
      'es2023,esnext.disposable',
      '--types',
      'node',
      '--typeRoots',
      join(ROOT, 'node_modules/@types'),
    ];
    run(process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), ...options, ...types, 'use/use.ts');
  });
});
