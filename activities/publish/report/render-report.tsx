import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { renderToStaticMarkup } from 'preact-render-to-string';
import type { DatasetClasses } from '../../../core/config/config.ts';
import type { Results } from '../../../core/config/results.ts';
import type { ConfusionMatrix } from '../../../core/metric/confusion-matrix.ts';
import { Artifacts, Reproduce } from './aftermath.tsx';
import { ClassTable } from './class-table.tsx';
import { Confusions } from './confusions.tsx';
import { Headline } from './headline.tsx';
import { Overlays } from './overlays.tsx';
import { Provenance } from './provenance.tsx';
import { Shards } from './shards.tsx';
import { TimeBudget } from './time-budget.tsx';

export interface ReportInput {
  results: Results;
  classes: DatasetClasses;
  matrix: ConfusionMatrix;
  /** Each a picture of image, truth and prediction beside each other. */
  overlays: { id: string; dataUri: string }[];
  /** Commands that run the same evaluation again. */
  reproduce: string[];
}

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

/** @returns report.html: one self-contained page, the same bytes for the same input */
export function renderReport(input: ReportInput): string {
  const { config } = input.results.run;
  const title = `${config.name} on ${input.results.inputs.dataset.name}`;
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
<body>${renderToStaticMarkup(<Page {...input} />)}<script>${sortScript}</script>
</body>
</html>
`;
}

function Page({ results, classes, matrix, overlays, reproduce }: ReportInput) {
  return (
    <main>
      <Headline results={results} />
      <Contents overlays={overlays.length > 0} reproduce={reproduce.length > 0} />
      <ClassTable results={results} classes={classes} />
      <Confusions matrix={matrix} classes={classes} />
      <Overlays overlays={overlays} results={results} classes={classes} />
      <TimeBudget results={results} />
      <Shards shards={results.shards} workers={results.workers} />
      <Provenance results={results} />
      <Reproduce commands={reproduce} />
      <Artifacts results={results} />
    </main>
  );
}

const PARTS = {
  classes: 'Classes',
  confusions: 'Confusions',
  overlays: 'Samples',
  time: 'Time',
  shards: 'Shards',
  environment: 'Environment',
  inputs: 'Inputs',
  reproduce: 'Run it again',
  artifacts: 'Files',
};

function Contents({ overlays, reproduce }: Record<'overlays' | 'reproduce', boolean>) {
  const there: Record<string, boolean> = { overlays, reproduce };
  return (
    <nav aria-label="Parts of this page">
      {Object.entries(PARTS)
        .filter(([id]) => there[id] ?? true)
        .map(([id, name]) => (
          <a key={id} href={`#${id}`}>
            {name}
          </a>
        ))}
    </nav>
  );
}
