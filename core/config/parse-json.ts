import { BadData } from './failures.ts';

/** @throws BadData naming what it was that isn't JSON */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new BadData(`${where}: not valid JSON`);
  }
}
