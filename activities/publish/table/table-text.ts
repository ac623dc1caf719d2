import type { Table } from '../../../core/config/table.ts';
import { moment } from '../report/format.ts';
import { type Cells, COLUMNS, cellsOf, notesOf } from './table-cells.ts';

/** @returns table.md: the rows as a Markdown table, the failures in their words below */
export function tableText(table: Table): string {
  const { run, rows, request } = table;
  const columns = Object.keys(COLUMNS) as (keyof Cells)[];
  const line = (cells: string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  const failures = rows.flatMap(({ name, outcome }) =>
    outcome.kind === 'failed' ? [`- ${escaped(name)}: ${outcome.class}: ${escaped(outcome.message)}`] : [],
  );
  return [
    `# ${escaped(run.workflowId)}`,
    '',
    `${request.dataset}, ${request.evaluationSplit} · ${moment(run.startedAt)} · Tessera ${run.codeVersion}`,
    '',
    line(columns.map((column) => COLUMNS[column])),
    line(columns.map((column) => (column === 'row' ? '---' : '---:'))),
    ...rows.map((row) => line(columns.map((column) => cellsOf(row)[column]))),
    ...(failures.length > 0 ? ['', 'Failed:', '', ...failures] : []),
    '',
    ...notesOf(table),
  ].join('\n');
}

/** A cell's text may hold neither a line's end nor what divides cells. */
function escaped(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').replaceAll('|', '\\|');
}
