import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE } from '../../workers/environment.ts';
import { VARIABLES } from '../../workers/variables.ts';

const TABLE = 'workers/variables.ts';
/** Set and read by tests alone. */
const OF_TESTS = ['TESSERA_TEST_FAULT', 'TESSERA_X'];

/** The names that sources have, but for those of the table itself. */
function namesIn(...paths: string[]): Set<string> {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...paths], {
    cwd: PACKAGE,
    encoding: 'utf8',
  });
  const sources = files
    .split('\n')
    .filter((file) => file !== TABLE && /(\.(m?ts|mjs|tf|sh|ya?ml|py)|\/Dockerfile|\/run)$/.test(file));
  const names = sources.flatMap(
    (file) => readFileSync(join(PACKAGE, file), 'utf8').match(/\b(TESSERA|HF)_[A-Z0-9_]+/g) ?? [],
  );
  return new Set(names.map((name) => name.replace(/^TESSERA_(NOTIFY|MLFLOW)_.*/, 'TESSERA_$1_*')));
}

const table: string[] = VARIABLES.map(({ name }) => name);

it('every TESSERA_* and HF_* variable of the sources is in the table', () => {
  const used = [...namesIn('.')].filter((name) => !OF_TESTS.includes(name));
  expect(used.filter((name) => !table.includes(name))).toEqual([]);
});

it('no variable is in the table that nothing reads, or twice', () => {
  const used = namesIn('.');
  expect(table.filter((name) => !used.has(name))).toEqual([]);
  expect(table).toEqual([...new Set(table)]);
});
