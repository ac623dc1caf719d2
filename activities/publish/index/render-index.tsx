import type { IndexedRun, RunIndex } from '../../../core/config/run-index.ts';
import { relativeHref } from '../report/aftermath.tsx';
import { count, moment, percent, signedPoints } from '../report/format.ts';
import { Brand, htmlPage } from '../report/html-page.tsx';
import { Facts, Scroll, Section } from '../report/parts.tsx';

const COLUMNS = ['Run', 'Kind', 'mIoU %', 'Points', 'Finished', 'Labels', 'Cost'];
/** Those whose cells are words. */
const WORDS = ['Run', 'Kind', 'Labels'];

/** @returns index.html over a prefix's runs: the same bytes for the same runs */
export function renderIndex(index: RunIndex): string {
  return htmlPage(`Runs in ${index.prefix}`, <Page index={index} />, ['filter']);
}

function Page({ index }: { index: RunIndex }) {
  const { runs, notRead, prefix } = index;
  const parts = runs.filter(({ partOf }) => partOf !== null).length;
  const last = runs.find(({ finishedAt }) => finishedAt)?.finishedAt;
  return (
    <main>
      <header>
        <Brand>Tessera runs</Brand>
        <h1>{prefix}</h1>
        <p class="lead">
          {count(runs.length - parts)} runs{last ? ` · the last one ended ${moment(last)}` : ''}
        </p>
      </header>
      <Section
        id="runs"
        title="Runs"
        lead="mIoU is that of an evaluation, or of a training’s last step; points are its difference to the original’s number. Choose a column’s name to sort by it."
        filter
      >
        <div class="tools">
          <div class="tool" data-script="filter" hidden>
            <input type="search" placeholder="Filter by words" aria-label="Filter runs by words" />
            <output />
          </div>
          {parts > 0 && (
            <label class="tool">
              <input type="checkbox" class="unfold" /> Show {count(parts)} that are parts of others
            </label>
          )}
        </div>
        <Scroll label="Table of runs" kind="rows">
          <table class="sortable n-last runs">
            <caption class="hidden">Every published run with its mIoU, the last one first</caption>
            <thead>
              <tr>
                {COLUMNS.map((name) => (
                  <th key={name} scope="col" class={WORDS.includes(name) ? 'text' : undefined}>
                    <button type="button">{name}</button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <Row key={run.resultsUri} run={run} page={index.page} />
              ))}
            </tbody>
          </table>
        </Scroll>
      </Section>
      {notRead.length > 0 && (
        <Section id="not-read" title="Not listed" lead="Named as results are, and none that could be read.">
          <Facts facts={notRead.map(({ uri, reason }) => [nameBelow(uri, prefix), reason])} />
        </Section>
      )}
    </main>
  );
}

function Row({ run, page }: { run: IndexedRun; page: string }) {
  const { workflowId, kind, config, dataset, mIoU, original, partial, finishedAt, cost } = run;
  const labels = Object.entries(run.labels).map(([name, value]) => `${name}=${value}`);
  const difference = mIoU === null || original === null || partial ? null : 100 * mIoU - original;
  const href = run.pageUri && relativeHref(run.pageUri, page);
  return (
    <tr
      class={run.partOf === null ? undefined : 'folded'}
      data-words={[workflowId, kind, config, dataset, ...labels].join(' ')}
    >
      <th scope="row" class="wrap" data-sort={workflowId}>
        {href ? <a href={href}>{workflowId}</a> : workflowId}
        <small>{[config, dataset].filter(Boolean).join(' · ')}</small>
        {run.partOf && <small>part of {run.partOf}</small>}
        {run.incomplete && <small>only partly read: {run.incomplete}</small>}
      </th>
      <td class="text">{kind}</td>
      <td data-sort={mIoU ?? ''}>
        {mIoU === null ? '–' : <b>{percent(mIoU)}</b>}
        {partial && (
          <small>
            partial, {count(partial.images)} of {count(partial.ofImages)}
          </small>
        )}
      </td>
      <td data-sort={difference ?? ''}>{difference === null ? '–' : signedPoints(difference)}</td>
      <td data-sort={finishedAt ?? ''}>{finishedAt ? moment(finishedAt) : '–'}</td>
      <td class="text labels">
        {labels.map((label) => (
          <div key={label}>{label}</div>
        ))}
      </td>
      <td data-sort={cost?.total ?? ''}>{cost ? `${cost.total.toFixed(2)} ${cost.currency}` : '–'}</td>
    </tr>
  );
}

function nameBelow(uri: string, prefix: string): string {
  return uri.startsWith(`${prefix}/`) ? uri.slice(prefix.length + 1) : uri;
}
