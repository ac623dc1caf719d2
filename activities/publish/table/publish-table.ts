import type { Config } from '../../../core/config/config.ts';
import {
  type DoneRow,
  type RowOutcome,
  type Table,
  type TableResult,
  type TableRow,
  type TableRun,
  TableSchema,
} from '../../../core/config/table.ts';
import { readResults } from '../../../core/read-results.ts';
import { readTable, tableResult } from '../../../core/read-table.ts';
import { readTrainResults } from '../../../core/read-train-results.ts';
import { joinUri, type Store } from '../../../core/store.ts';
import { checkOutput } from '../check-output.ts';
import { publishOnce } from '../publish-once.ts';
import { resultsJsonSchema } from '../results-schema.ts';
import { renderTable } from './render-table.tsx';
import { tableText } from './table-text.ts';

/** A table whose rows have ended. */
export interface TableOutcome {
  run: TableRun;
  /** In the order of the rows. */
  outcomes: RowOutcome[];
  /** On the workflow's clock, ms since the epoch. */
  started: number;
}

/**
 * Puts the rows' published results together: table.md, table.html, and last of all table.json, once.
 *
 * @throws BadData, BadInput if a row's results are damaged
 */
export async function publishTable(store: Store, outcome: TableOutcome, nowMs: number): Promise<TableResult> {
  const uri = joinUri(outcome.run.prefix, 'table.json');
  const { value } = await publishOnce(store, {
    uri,
    read: readTable,
    make: () => writeFiles(store, outcome, nowMs, uri),
  });
  return tableResult(value, uri);
}

/** All that lies beside table.json, which says what they are. */
async function writeFiles(store: Store, outcome: TableOutcome, nowMs: number, uri: string): Promise<Table> {
  const table = checkOutput(TableSchema, await tableOf(store, outcome, nowMs), uri);
  const { markdown, page, schema } = table.artifacts;
  const write = (at: string, text: string, contentType: string) =>
    store.write(at, Buffer.from(text), { contentType });
  await write(markdown, `${tableText(table)}\n`, 'text/markdown; charset=utf-8');
  await write(page, renderTable(table), 'text/html; charset=utf-8');
  await write(schema, resultsJsonSchema('table'), 'application/schema+json');
  return table;
}

async function tableOf(
  store: Store,
  { run, outcomes, started }: TableOutcome,
  nowMs: number,
): Promise<Table> {
  const { workflowId, runId, codeVersion, prefix, request } = run;
  const rows = await Promise.all(
    run.rows.map(async ({ name, workflowId, kind, reproduces }, i): Promise<TableRow> => {
      const outcome = outcomes[i]!;
      if (outcome.kind === 'failed') return { name, workflowId, reproduces, outcome };
      const read = kind === 'train' ? trained : evaluated;
      return {
        name,
        workflowId,
        reproduces,
        outcome: await read(store, outcome.resultsUri, reproduces),
      };
    }),
  );
  const endMs = Math.max(nowMs, started);
  return {
    version: 1,
    kind: 'table',
    run: {
      workflowId,
      runId,
      codeVersion,
      startedAt: new Date(started).toISOString(),
      finishedAt: new Date(endMs).toISOString(),
      seconds: (endMs - started) / 1000,
    },
    request,
    rows,
    ...costOf(rows),
    artifacts: {
      markdown: joinUri(prefix, 'table.md'),
      page: joinUri(prefix, 'table.html'),
      schema: joinUri(prefix, 'table.schema.json'),
    },
  };
}

/** What the rows took together. */
function costOf(rows: TableRow[]): Pick<Table, 'cost'> {
  const done = rows.flatMap(({ outcome }) => (outcome.kind === 'failed' ? [] : [outcome]));
  const [currency, ...others] = new Set(done.map(({ cost }) => cost.currency));
  if (currency === undefined || others.length > 0) return {};
  const sum = (value: (row: DoneRow) => number) => done.reduce((total, row) => total + value(row), 0);
  return {
    cost: { workerSeconds: sum((row) => row.workerSeconds), total: sum((row) => row.cost.total), currency },
  };
}

type Reproduces = NonNullable<Config['reproduces']> | null;

async function trained(store: Store, uri: string, reproduces: Reproduces): Promise<DoneRow> {
  const { run, inputs, evaluations, best, steps, cost, artifacts } = await readTrainResults(store, uri);
  const last = evaluations.at(-1)!;
  const evaluation = await readResults(store, last.resultsUri);
  return {
    kind: 'trained',
    ...measured(last.mIoU, reproduces),
    best,
    steps,
    trainingImages: inputs.dataset.images,
    images: evaluation.inputs.dataset.images,
    seconds: run.seconds,
    workerSeconds: cost.workerSeconds,
    device: evaluation.environment.deviceName,
    cost: { total: cost.total, currency: cost.currency },
    resultsUri: uri,
    reportUri: artifacts.report,
  };
}

async function evaluated(store: Store, uri: string, reproduces: Reproduces): Promise<TableRow['outcome']> {
  const { partial, run, inputs, metrics, environment, cost, artifacts } = await readResults(store, uri);
  if (partial)
    return {
      kind: 'failed',
      class: 'BudgetSpent',
      message: `${partial.reason} after ${partial.images} of ${partial.ofImages} images: ${uri}`,
    };
  return {
    kind: 'evaluated',
    ...measured(metrics.mIoU, reproduces),
    best: null,
    steps: null,
    trainingImages: null,
    images: inputs.dataset.images,
    seconds: run.seconds,
    workerSeconds: cost.workerSeconds,
    device: environment.deviceName,
    cost: { total: cost.total, currency: cost.currency },
    resultsUri: uri,
    reportUri: artifacts.report,
  };
}

function measured(mIoU: number | null, reproduces: Reproduces): Pick<DoneRow, 'mIoU' | 'difference'> {
  return { mIoU, difference: mIoU === null || !reproduces ? null : 100 * mIoU - reproduces.mIoU };
}
