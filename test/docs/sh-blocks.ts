import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE } from '../../workers/environment.ts';

/** A fenced block of shell commands in a document. */
export interface ShellBlock {
  line: number;
  text: string;
  /** Why it can't be run by a test; null for one that is run. */
  notHere: string | null;
}

const FENCE = /^(?<indent> *)```sh(?<info>[^\n]*)\n(?<text>[\s\S]*?)^ *```$/gm;

/** The `sh` blocks of a document, in order. One with `not-here: REASON` after `sh` is not run. */
export function shellBlocks(document: string): ShellBlock[] {
  const source = readFileSync(join(PACKAGE, document), 'utf8');
  return [...source.matchAll(FENCE)].map(({ index, groups }) => {
    const { indent = '', info = '', text = '' } = groups ?? {};
    const words = info.trim();
    const notHere = words === '' ? null : (/^not-here: (.+)$/.exec(words)?.[1] ?? null);
    if (words !== '' && notHere === null)
      throw new Error(`${document}: after \`\`\`sh stands '${words}'; expected nothing, or not-here: REASON`);
    return {
      line: source.slice(0, index).split('\n').length,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      notHere,
    };
  });
}

/** One script of all blocks that are run: what one sets the next one finds. */
export function scriptOf(document: string): string {
  const blocks = shellBlocks(document).filter(({ notHere }) => notHere === null);
  const steps = blocks.map(({ line, text }) => `echo '### ${document}:${line}'\n${text}`);
  return ['set -euo pipefail', ...steps].join('\n');
}
