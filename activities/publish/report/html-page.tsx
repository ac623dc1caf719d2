import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ComponentChildren, VNode } from 'preact';
import { renderToStaticMarkup } from 'preact-render-to-string';

const css = readFileSync(new URL('./report.css', import.meta.url), 'utf8');
const sortScript = readFileSync(
  createRequire(import.meta.url).resolve('sortable-tablesort/dist/sortable.min.js'),
  'utf8',
).trim();

/**
 * The page forbids itself every request, so it shows the same from a disk, a mail or a bucket, and a
 * hostile class name could neither run nor load anything even if it got past the escaping.
 */
const policy = [
  "default-src 'none'",
  'img-src data:',
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash('sha256').update(sortScript).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** @returns one self-contained HTML page, the same bytes for the same input */
export function htmlPage(title: string, body: VNode): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Tessera">
<link rel="icon" href="data:,">
${renderToStaticMarkup(<title>{title}</title>)}
<style>${css}</style>
</head>
<body>${renderToStaticMarkup(body)}<script>${sortScript}</script>
</body>
</html>
`;
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
