import { resolve } from 'node:path';

/** The folder of golden data: TESSERA_GOLDEN, or else the part that lies in the repository. */
export function goldenFolder(): string {
  return resolve(process.env.TESSERA_GOLDEN || resolve(import.meta.dirname, 'golden'));
}
