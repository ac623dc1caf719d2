import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE } from '../../workers/environment.ts';

const LINK = /\]\(([^)\s]+)\)|src="([^"]+)"/g;
const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: PACKAGE,
  encoding: 'utf8',
})
  .trim()
  .split('\n');

const read = (file: string) => readFileSync(join(PACKAGE, file), 'utf8');

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/[`*]/g, '').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

function isBroken(document: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return false;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : normalize(join(dirname(document), path));
  if (!existsSync(join(PACKAGE, target))) return true;
  if (anchor === undefined || !target.endsWith('.md')) return false;
  return ![...read(target).matchAll(/^#+ (.*)$/gm)].some(([, heading]) => anchorOf(heading!) === anchor);
}

it('every link between documents leads to a file and a heading that are there', () => {
  const broken = documents.flatMap((document) =>
    [...read(document).matchAll(LINK)]
      .map(([, link, source]) => link ?? source!)
      .filter((link) => isBroken(document, link))
      .map((link) => `${document}: ${link}`),
  );
  expect(documents.length).toBeGreaterThan(20);
  expect(broken).toEqual([]);
});
