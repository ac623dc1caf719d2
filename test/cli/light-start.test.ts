import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { programArguments } from '../../infra/local/program.ts';
import { PACKAGE } from '../../workers/environment.ts';

it('tessera --help loads declarations only: no client, no schema, no graph', async () => {
  const { metafile } = await build({
    absWorkingDir: PACKAGE,
    entryPoints: ['cli/main.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    metafile: true,
  });
  // What a file imports at once; `import()` waits for a command's action.
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const { path, kind, external } of metafile.inputs[file]!.imports) {
      if (kind !== 'import-statement') continue;
      if (!external) visit(path);
      else if (!path.startsWith('node:')) packages.add(path);
    }
  };
  visit('cli/main.ts');
  expect([...packages].sort()).toEqual(['@bomb.sh/tab/commander', 'commander']);
  const others = [...loaded].filter((file) => !/^(cli|core\/image)\//.test(file));
  expect(others.sort()).toEqual(['core/config/failures.ts', 'workers/environment.ts']);
});

/** Says what is loaded as CommonJS, as Temporal's client and zod's kin are. */
const LISTEN =
  'data:text/javascript,import M from "node:module"; const load = M._load; ' +
  'M._load = (name, ...rest) => { console.error("loads " + name); return load(name, ...rest); };';

it.each([['--help'], ['run', '--bogus'], ['nothing-of-this-name']])(
  'tessera %s %s loads no more for its end',
  async (...words) => {
    const args = ['--import', LISTEN, ...programArguments('cli/main'), ...words];
    const { stderr } = await promisify(execFile)(process.execPath, args).catch(
      (error: { stderr: string }) => error,
    );
    expect(stderr).toContain('loads ');
    expect(stderr).not.toMatch(/loads .*(temporal|aws|zod|protobuf)/);
  },
);
