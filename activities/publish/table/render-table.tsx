import type { Table, TableRow } from '../../../core/config/table.ts';
import { relativeHref } from '../report/aftermath.tsx';
import { duration, moment } from '../report/format.ts';
import { Brand, Contents, htmlPage } from '../report/html-page.tsx';
import { Facts, Scroll, Section } from '../report/parts.tsx';
import { type Cells, COLUMNS, cellsOf, notesOf } from './table-cells.ts';

/** @returns table.html: the original's numbers and ours, on one self-contained page */
export function renderTable(table: Table): string {
  return htmlPage(`${table.run.workflowId}: the original and Tessera`, <Page table={table} />);
}

function Page({ table }: { table: Table }) {
  const { run, rows, request } = table;
  const failed = rows.filter(({ outcome }) => outcome.kind === 'failed');
  return (
    <main>
      <header>
        <Brand>Tessera reproduction</Brand>
        <h1>{run.workflowId}</h1>
        <p class="lead">
          {rows.length - failed.length} of {rows.length} rows · {moment(run.startedAt)} ·{' '}
          {duration(run.seconds)}
        </p>
        <Contents
          parts={{ rows: 'Rows', ...(failed.length > 0 ? { failed: 'Failed' } : {}), inputs: 'Inputs' }}
        />
      </header>
      <Rows table={table} />
      <Failed rows={failed} />
      <Section id="inputs" title="Inputs">
        <Facts
          facts={[
            ['Suite', request.suite ?? null],
            ['Weights', <code key="weights">{request.weights}</code>],
            ['Dataset', <code key="dataset">{request.dataset}</code>],
            ['Evaluated on', request.evaluationSplit],
            [
              'Overrides',
              request.overrides.length > 0 ? <code key="o">{request.overrides.join(' ')}</code> : null,
            ],
            ['Devices', devicesOf(rows) || null],
            ['Tessera', run.codeVersion],
          ]}
        />
      </Section>
    </main>
  );
}

function Rows({ table }: { table: Table }) {
  const columns = Object.keys(COLUMNS) as (keyof Cells)[];
  return (
    <Section id="rows" title="Rows" lead={notesOf(table).join(' ')}>
      <Scroll label="Table of rows" kind="rows">
        <table class="sortable">
          <caption class="hidden">The original's mIoU and ours, in percent, and what it took</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col" class={column === 'row' ? 'text' : undefined}>
                  <button type="button">{COLUMNS[column]}</button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row) => (
              <Row key={row.workflowId} row={row} columns={columns} page={table.artifacts.page} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function Row({ row, columns, page }: { row: TableRow; columns: (keyof Cells)[]; page: string }) {
  const cells = cellsOf(row);
  const { outcome } = row;
  const numbers: Partial<Record<keyof Cells, number | null>> =
    outcome.kind === 'failed'
      ? {}
      : {
          difference: outcome.difference,
          best: outcome.best?.mIoU ?? null,
          steps: outcome.steps,
          images: outcome.trainingImages ?? outcome.images,
          time: outcome.seconds,
          hours: outcome.workerSeconds,
          cost: outcome.cost.total,
        };
  return (
    <tr>
      {columns.map((column) => {
        if (column === 'row')
          return (
            <th key={column} scope="row" class="wrap">
              {outcome.kind === 'failed' ? (
                cells.row
              ) : (
                <RowLink text={cells.row} report={outcome.reportUri} page={page} />
              )}
              {cells.row !== row.name && (
                <>
                  <br />
                  <small>{breakable(row.name)}</small>
                </>
              )}
            </th>
          );
        const sort = numbers[column];
        return (
          <td key={column} {...(typeof sort === 'number' ? { 'data-sort': sort } : {})}>
            {column === 'ours' ? <b>{cells.ours}</b> : cells[column]}
          </td>
        );
      })}
    </tr>
  );
}

/** To a row's own page, if that lies below the table's. */
function RowLink({ text, report, page }: { text: string; report: string; page: string }) {
  const href = relativeHref(report, page);
  return href === null ? <span title={report}>{breakable(text)}</span> : <a href={href}>{breakable(text)}</a>;
}

/** A config's name may be broken at its underscores. */
function breakable(name: string) {
  return name.split('_').flatMap((part, i) => (i === 0 ? [part] : [<wbr key={i} />, `_${part}`]));
}

function Failed({ rows }: { rows: TableRow[] }) {
  if (rows.length === 0) return null;
  return (
    <Section id="failed" title="Failed" lead="The others went on without them.">
      <Facts
        facts={rows.map(({ name, outcome }) => [
          name,
          outcome.kind === 'failed' ? `${outcome.class}: ${outcome.message}` : null,
        ])}
      />
    </Section>
  );
}

function devicesOf(rows: TableRow[]): string {
  const devices = rows.flatMap(({ outcome }) => (outcome.kind === 'failed' ? [] : [outcome.device]));
  return [...new Set(devices)].join(', ');
}
