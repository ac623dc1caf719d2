import type { Config } from '../../core/config/config.ts';
import { differences, differencesText } from '../../core/config/differences.ts';
import { MAX_EVAL_MINUTES } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import { isVit, vitConfig } from '../../core/config/model-kinds.ts';
import { parseInput } from '../../core/config/parse.ts';
import { type Checkpoints, ensureCheckpoints, publishedCheckpoints } from '../../core/config/published.ts';
import {
  SUITES,
  type Suite,
  type TableInput,
  TableInputSchema,
  type TablePlan,
  type TableRequest,
  type TableResult,
  type TableRowInput,
  type TableRun,
} from '../../core/config/table.ts';
import { readTable, tableResult } from '../../core/read-table.ts';
import { joinUri, type Store, unlessAbsent } from '../../core/store.ts';
import { listConfigs, loadConfig } from './load-config.ts';
import type { PlanContext } from './plan-eval.ts';
import { resolveConfig } from './resolve-config.ts';
import { runPrefix } from './run-prefix.ts';

/**
 * Resolves the rows of a table and what is to be started for each. What their weights and datasets hold, the rows'
 * own plans look at: one that is wrong costs its own row.
 *
 * @throws BadInput naming what is wrong, or if this workflow id has a table of something else
 */
export async function planTable(
  { store, codeVersion }: PlanContext,
  request: TableInput,
  { workflowId, runId }: { workflowId: string; runId: string },
): Promise<TablePlan> {
  const input = parseInput(TableInputSchema, request, 'ReproduceTable input');
  const prefix = runPrefix(input, { workflowId, runId });
  const result = await finishedTable(store, joinUri(prefix, 'table.json'), input);
  if (result) return { kind: 'finished', result };
  const taken = new Set<string>();
  const rows: TableRun['rows'] = [];
  for (const row of await rowsOf(input)) {
    const overrides = [...input.overrides, ...row.overrides];
    const { config } = await resolveConfig({ config: row.config, overrides }, 'ReproduceTable input: row');
    const name = unused(config.name, taken);
    rows.push(plannedRow({ ...row, overrides }, { config, name, input, workflowId }));
  }
  return { kind: 'run', run: { workflowId, runId, prefix, codeVersion, rows, request: input } };
}

function plannedRow(
  row: TableRowInput,
  context: { config: Config; name: string; input: TableRequest; workflowId: string },
): TableRun['rows'][number] {
  const { config, name, input, workflowId } = context;
  if (!isVit(config)) ensureCheckpoints(config, row);
  const { weights, head } = isVit(config) ? checkpointsOf(row, config, input) : {};
  const isTrained = row.train ?? (head === undefined && config.train !== undefined);
  if (isTrained) vitConfig(config);
  if (isTrained && !config.train)
    throw new BadInput(
      `${config.name}: has no section 'train', so there is nothing to train; give one, or set train to false`,
    );
  const common = {
    config: row.config,
    overrides: row.overrides,
    ...(weights ? { weights } : {}),
    dataset: row.dataset ?? input.dataset,
    // By the table's id alone: a table that is made again finds its rows' results there.
    output: joinUri(input.output, workflowId, 'rows'),
    ...(input.labels ? { labels: input.labels } : {}),
  };
  // A row may take as long as its table, which cuts it then, or as its own kind may at most.
  const { evaluationSplit, allowOverlap, deadlineMinutes } = input;
  return {
    name,
    workflowId: `${workflowId}-${name.replaceAll(/[/\\]/g, '-')}`,
    reproduces: config.reproduces ?? null,
    ...(isTrained
      ? {
          kind: 'train',
          workflowType: 'Train',
          input: { ...common, weights: weights!, evaluationSplit, allowOverlap, deadlineMinutes },
        }
      : {
          kind: 'evaluate',
          input: {
            ...common,
            ...(head ? { head } : {}),
            split: evaluationSplit,
            deadlineMinutes: Math.min(deadlineMinutes, MAX_EVAL_MINUTES),
          },
        }),
  };
}

/** The row's own, the table's, or those that are published for its config. A head goes with published weights only. */
function checkpointsOf(row: TableRowInput, config: Config, input: TableRequest): Checkpoints {
  const weights = row.weights ?? input.weights;
  const found = weights === undefined ? publishedCheckpoints(config, input.published) : { weights };
  return { ...found, ...(row.head ? { head: row.head } : {}) };
}

/** The suite's rows, each in place of which another of the same config may be given, then the others. */
async function rowsOf({ suite, rows }: TableRequest): Promise<TableRowInput[]> {
  const names = suite ? await suiteConfigs(suite) : [];
  const isOf = (row: TableRowInput, name: string) =>
    typeof row.config === 'string' && (name === row.config || name.endsWith(`/${row.config}`));
  return [
    ...names.map((name) => rows.find((row) => isOf(row, name)) ?? { config: name, overrides: [] }),
    ...rows.filter((row) => !names.some((name) => isOf(row, name))),
  ];
}

/** Those of the folders that have a published number, in the folders' order, short trainings first. */
export async function suiteConfigs(suite: Suite): Promise<string[]> {
  const all = await listConfigs();
  const folders = SUITES[suite].map(async (folder) => {
    const below = all.filter((name) => name.startsWith(`${folder}/`));
    const configs = await Promise.all(below.map(async (name) => ({ name, config: await loadConfig(name) })));
    return configs
      .filter(({ config }) => config.reproduces)
      .toSorted((a, b) => (a.config.train?.steps ?? 0) - (b.config.train?.steps ?? 0))
      .map(({ name }) => name);
  });
  return (await Promise.all(folders)).flat();
}

async function finishedTable(store: Store, uri: string, input: TableRequest): Promise<TableResult | null> {
  const table = await unlessAbsent(readTable(store, uri));
  if (!table) return null;
  const others = differences(whatIsAsked(table.request), whatIsAsked(input));
  if (others.length > 0)
    throw new BadInput(
      `${uri}: already holds another table: ${differencesText(others)}. ` +
        'Choose another workflow id, or set "recompute": true to make it again',
    );
  return { ...tableResult(table, uri), cached: true };
}

/** What a table's numbers depend on. */
function whatIsAsked({ recompute, concurrency, deadlineMinutes, labels, ...asked }: TableRequest) {
  return asked;
}

function unused(name: string, taken: Set<string>): string {
  let found = name;
  for (let i = 2; taken.has(found); i++) found = `${name}-${i}`;
  taken.add(found);
  return found;
}
