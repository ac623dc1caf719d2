import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** The folder of golden data: TESSERA_GOLDEN, or ../shared/golden if it is there, else test/golden. */
export function goldenFolder(): string {
  const given = process.env.TESSERA_GOLDEN;
  if (given) return resolve(given);
  const root = resolve(import.meta.dirname, '..');
  const shared = resolve(root, '../shared/golden');
  return existsSync(shared) ? shared : resolve(root, 'test/golden');
}
