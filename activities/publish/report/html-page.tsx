import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ComponentChildren, VNode } from 'preact';
import { renderToStaticMarkup } from 'preact-render-to-string';

const STYLES = ['report.css', 'tools.css', 'viewer.css', 'print.css'];
const css = STYLES.map((name) => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8')).join('');
const sortScript = readFileSync(
  createRequire(import.meta.url).resolve('sortable-tablesort/dist/sortable.min.js'),
  'utf8',
).trim();

/** Of `scripts/`: what a page does beside sorting. Each leaves the page as it is where it doesn't run. */
export type PageScript = 'copy' | 'filter' | 'viewer' | 'curves';

/**
 * The page forbids itself every request, so it shows the same from a disk, a mail or a bucket, and a
 * hostile class name could neither run nor load anything even if it got past the escaping.
 */
const policyFor = (scripts: string[]) =>
  [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    `script-src ${scripts.map(hashOf).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');

/** @returns one self-contained HTML page, the same bytes for the same input */
export function htmlPage(title: string, body: VNode, names: PageScript[] = []): string {
  const scripts = [sortScript, ...names.map(readScript)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyFor(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Tessera">
<link rel="icon" href="data:,">
${renderToStaticMarkup(<title>{title}</title>)}
<style>${css}</style>
</head>
<body>${renderToStaticMarkup(body)}${scripts.map((script) => `<script>${script}</script>`).join('')}
</body>
</html>
`;
}

function hashOf(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}

/** In a block, so that scripts share no names. */
function readScript(name: PageScript): string {
  const text = readFileSync(new URL(`./scripts/${name}.mjs`, import.meta.url), 'utf8').trim();
  return `'use strict';{\n${text}\n}`;
}

/** Links to the parts of a page, by their ids. */
export function Contents({ parts }: { parts: Record<string, string> }) {
  return (
    <nav aria-label="Parts of this page">
      {Object.entries(parts).map(([id, name]) => (
        <a key={id} href={`#${id}`}>
          {name}
        </a>
      ))}
    </nav>
  );
}

/** What the page is of, above its title. */
export function Brand({ children }: { children: ComponentChildren }) {
  return (
    <p class="brand">
      <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
        <rect x="0" y="0" width="8" height="8" rx="1.5" fill="var(--accent)" />
        <rect x="10" y="0" width="8" height="8" rx="1.5" fill="var(--phase-3)" />
        <rect x="0" y="10" width="8" height="8" rx="1.5" fill="var(--phase-1)" />
        <rect x="10" y="10" width="8" height="8" rx="1.5" fill="var(--phase-2)" />
      </svg>{' '}
      {children}
    </p>
  );
}
