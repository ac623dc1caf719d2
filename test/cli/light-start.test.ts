import { build } from 'esbuild';
import { expect, it } from 'vitest';
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
  expect([...packages].sort()).toEqual(['@bomb.sh/tab/commander', 'cli-progress', 'commander']);
  const others = [...loaded].filter((file) => !/^(cli|core\/image)\//.test(file));
  expect(others).toEqual(['workers/environment.ts']);
});
