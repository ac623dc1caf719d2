import type { DatasetClasses } from '../../../core/config/config.ts';
import type { Results } from '../../../core/config/results.ts';
import type { ConfusionMatrix } from '../../../core/metric/confusion-matrix.ts';
import { Artifacts, CompareWith, Reproduce } from './aftermath.tsx';
import { ClassTable } from './class-table.tsx';
import { Confusions } from './confusions.tsx';
import { Headline } from './headline.tsx';
import { Contents, htmlPage } from './html-page.tsx';
import { type Overlay, Overlays } from './overlays.tsx';
import { Provenance } from './provenance.tsx';
import { Shards } from './shards.tsx';
import { TimeBudget } from './time-budget.tsx';

export interface ReportInput {
  results: Results;
  classes: DatasetClasses;
  matrix: ConfusionMatrix;
  overlays: Overlay[];
  /** Commands that run the same evaluation again. */
  reproduce: string[];
}

/** @returns report.html of an evaluation */
export function renderReport(input: ReportInput): string {
  const { run, inputs } = input.results;
  return htmlPage(`${run.config.name} on ${inputs.dataset.name}`, <Page {...input} />, [
    'copy',
    'filter',
    ...(input.overlays.length > 0 ? ['viewer' as const] : []),
  ]);
}

function Page({ results, classes, matrix, overlays, reproduce }: ReportInput) {
  return (
    <main>
      <Headline results={results} />
      <Contents
        parts={{
          classes: 'Classes',
          confusions: 'Confusions',
          ...(overlays.length > 0 ? { overlays: 'Samples' } : {}),
          time: 'Time',
          shards: 'Shards',
          environment: 'Environment',
          inputs: 'Inputs',
          ...(reproduce.length > 0 ? { reproduce: 'Run it again' } : {}),
          ...(results.partial ? {} : { compare: 'Compare' }),
          artifacts: 'Files',
        }}
      />
      <ClassTable results={results} classes={classes} />
      <Confusions matrix={matrix} classes={classes} />
      <Overlays overlays={overlays} results={results} classes={classes} />
      <TimeBudget results={results} />
      <Shards shards={results.shards} workers={results.workers} />
      <Provenance results={results} />
      <Reproduce commands={reproduce} lead="The same inputs give the same confusion matrix, byte for byte." />
      <CompareWith results={results} />
      <Artifacts results={results} />
    </main>
  );
}
