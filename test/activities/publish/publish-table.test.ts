import { describe, expect, it } from 'vitest';
import { createPublish } from '../../../activities/publish/publish-results.ts';
import { resultsJsonSchema } from '../../../activities/publish/results-schema.ts';
import { publishTable } from '../../../activities/publish/table/publish-table.ts';
import { type RowOutcome, TableInputSchema, type TableRun } from '../../../core/config/table.ts';
import { readTable } from '../../../core/read-table.ts';
import { trainingResults } from '../../page/training-results.ts';
import { memoryStore } from './memory-store.ts';
import { FINISHED_MS, publishInput } from './publish-input.ts';

const PREFIX = 's3://bkt/runs/table';
const INPUT = { weights: 's3://bkt/backbone.pth', dataset: 's3://bkt/ade', output: 's3://bkt/runs' };

/** A table of a training, an evaluation, and a row that failed. */
async function outcome() {
  const memory = memoryStore();
  const evaluation = await createPublish(memory.store, () => FINISHED_MS).publishResults(publishInput());
  const { results } = await trainingResults();
  for (const one of results.evaluations) one.resultsUri = evaluation.resultsUri;
  results.artifacts.report = `${PREFIX}/rows/table-probe/report.html`;
  const trainingUri = `${PREFIX}/rows/table-probe/results.json`;
  await memory.store.write(trainingUri, Buffer.from(JSON.stringify(results)));
  const { run } = results;
  const row = (name: string, kind: 'train' | 'evaluate'): TableRun['rows'][number] => ({
    name,
    kind,
    workflowId: `table-${name}`,
    reproduces: run.config.reproduces!,
    input: { ...INPUT, config: name },
  });
  const planned: TableRun = {
    workflowId: 'table',
    runId: 'run-1',
    prefix: PREFIX,
    codeVersion: '0.1.0',
    request: TableInputSchema.parse({ ...INPUT, suite: 'few-shot' }),
    rows: [row('probe', 'train'), { ...row('given', 'evaluate'), reproduces: null }, row('lost', 'train')],
  };
  const outcomes: RowOutcome[] = [
    { kind: 'done', resultsUri: trainingUri },
    { kind: 'done', resultsUri: evaluation.resultsUri },
    { kind: 'failed', class: 'BadData', message: 'a|b is <broken>\nsee there' },
  ];
  return {
    ...memory,
    results,
    evaluation,
    outcome: { run: planned, outcomes, started: FINISHED_MS - 60_000 },
  };
}

describe('a published table', () => {
  it('has the last step’s number beside the original’s, the best one, and what it took', async () => {
    const { store, outcome: table, results, evaluation } = await outcome();
    const published = await publishTable(store, table, FINISHED_MS);
    expect(published).toMatchObject({ rows: 3, failed: 1, tableUri: `${PREFIX}/table.json` });
    const { rows, run, cost } = await readTable(store, published.tableUri);
    expect(cost).toEqual({
      workerSeconds: results.cost.workerSeconds + publishInput().cost.workerSeconds,
      total: results.cost.total + publishInput().cost.total,
      currency: 'USD',
    });
    expect(run.seconds).toBe(60);
    const last = results.evaluations.at(-1)!;
    expect(last.mIoU).not.toBe(results.best.mIoU);
    expect(rows[0]!.outcome).toMatchObject({
      kind: 'trained',
      mIoU: last.mIoU,
      best: results.best,
      steps: 80_000,
      trainingImages: 20_210,
      difference: 100 * last.mIoU! - 47.2,
      workerSeconds: results.cost.workerSeconds,
    });
    expect(rows[1]!.outcome).toMatchObject({
      kind: 'evaluated',
      mIoU: evaluation.metrics.mIoU,
      difference: null,
      best: null,
      steps: null,
      reportUri: evaluation.reportUri,
    });
    expect(rows[2]!.outcome).toMatchObject({ kind: 'failed', class: 'BadData' });
  });

  it('says the same as Markdown and as a page, failures in their words', async () => {
    const { store, text, outcome: table } = await outcome();
    const { markdownUri, pageUri } = await publishTable(store, table, FINISHED_MS);
    const markdown = text(markdownUri);
    const lines = markdown.split('\n').filter((line) => line.startsWith('|'));
    expect(lines).toHaveLength(5);
    // Every line has as many cells: what divides them is escaped in a text.
    for (const line of lines) expect(line.match(/(?<!\\)\|/g)).toHaveLength(11);
    expect(lines[2]).toMatch(
      /^\| linear probing \| 47\.2 \| 47\.\d\d \| \+0\.\d\d \| 47\.\d\d at 70.000 \| 80.000 \|/,
    );
    expect(markdown).toContain('- lost: BadData: a\\|b is <broken> see there');
    const page = text(pageUri);
    expect(page).toContain('href="rows/table-probe/report.html"');
    expect(page).toContain('a|b is &lt;broken>');
    expect(page).toContain('2 of 3 rows');
    expect(page.split('<script>')[0]).not.toMatch(/NaN|undefined|\[object/);
  });

  it('is written last, and once: who comes second takes the first one’s, and changes nothing beside it', async () => {
    const { store, writes, objects, outcome: table } = await outcome();
    const first = await publishTable(store, table, FINISHED_MS);
    expect(writes.at(-1)).toBe(`${PREFIX}/table.json`);
    const before = new Map(objects);
    const outcomes = table.outcomes.toSpliced(0, 1, { kind: 'failed', class: 'BadData', message: 'lost' });
    expect(await publishTable(store, { ...table, outcomes }, FINISHED_MS + 5_000)).toEqual(first);
    expect(objects).toEqual(before);
    expect((await readTable(store, first.tableUri)).run.seconds).toBe(60);
  });

  it('gives the published rows if another attempt was faster', async () => {
    const memory = await outcome();
    const { store, objects, outcome: table } = memory;
    const winner = await outcome();
    const published = await publishTable(winner.store, winner.outcome, FINISHED_MS);
    store.writeOnce = async (uri) => {
      objects.set(uri, winner.objects.get(uri)!);
      return 'exists';
    };
    const outcomes = table.outcomes.toSpliced(0, 1, { kind: 'failed', class: 'BadData', message: 'lost' });
    expect(await publishTable(store, { ...table, outcomes }, FINISHED_MS + 5_000)).toEqual(published);
  });

  it('has a schema', () => {
    const { properties } = JSON.parse(resultsJsonSchema('table'));
    expect(Object.keys(properties)).toEqual([
      'version',
      'kind',
      'run',
      'request',
      'rows',
      'cost',
      'artifacts',
    ]);
  });
});
