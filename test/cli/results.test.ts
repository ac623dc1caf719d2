import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { findRun } from '../../cli/results/find-run.ts';
import { readEvaluation, readPublished } from '../../cli/results/read-run.ts';
import { classesCsv } from '../../cli/results/results-text.ts';
import { showResults } from '../../cli/results/show-results.ts';
import { plausibleMatrix } from '../activities/publish/publish-input.ts';
import { temporaryFolder } from '../infra/observe.ts';
import { resultsOf } from '../page/comparison.ts';
import { publishedTable } from '../page/published-table.ts';
import { trainingResults } from '../page/training-results.ts';

/** A folder that holds such results. */
function folderWith(name: string, document: unknown): string {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, name), JSON.stringify(document));
  return folder;
}

/** What a command prints. */
async function printed(work: () => Promise<void>): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await work();
    return log.mock.calls.map(([line]) => line).join('\n');
  } finally {
    log.mockRestore();
  }
}

test('a training’s results are its evaluations; to compare it, one of them is named', async () => {
  const { results: training } = await trainingResults();
  const folder = folderWith('results.json', training);
  const text = await printed(() => showResults(folder, {}));
  for (const { step, mIoU } of training.evaluations)
    expect(text).toMatch(new RegExp(`step +${step} +mIoU ${(100 * mIoU!).toFixed(2)}`));
  const csv = await printed(() => showResults(folder, { csv: true }));
  expect(csv.split('\n').at(-1)).toContain(training.evaluations.at(-1)!.resultsUri);
  await expect(readEvaluation(await findRun(folder))).rejects.toThrow(
    `${folder}: is a training. Name one of its evaluations; the best one is ${training.best.resultsUri}`,
  );
  await expect(showResults(folder, { perClass: true })).rejects.toThrow(/is a training: --per-class/);
});

test('a table’s results are its rows', async () => {
  const table = await publishedTable();
  const folder = folderWith('table.json', table);
  expect(await readPublished(await findRun(folder))).toEqual({ kind: 'table', document: table });
  const text = await printed(() => showResults(folder, {}));
  for (const { name } of table.rows) expect(text).toContain(name);
  expect(text).toMatch(/failed: BadInput: s3:.* does not exist/);
  await expect(readEvaluation(await findRun(folder))).rejects.toThrow(/is a table of runs/);
});

test('a class’s name is quoted where CSV asks for that, and nan is empty', async () => {
  const results = await resultsOf('x', plausibleMatrix());
  results.perClass[0]!.name = 'wall, "brick"';
  const lines = classesCsv(results).split('\n');
  expect(lines[0]).toBe('class,name,IoU,Acc,labelPixels,predictedPixels,intersectionPixels');
  expect(lines[1]).toMatch(/^0,"wall, ""brick""",0\.\d+,/);
  expect(lines[150]).toBe('149,flag,,,0,0,0');
});

test('what is damaged, or in no folder, is named', async () => {
  const folder = temporaryFolder();
  await expect(findRun(path.join(folder, 'nothing'))).rejects.toThrow(/nothing: no such folder/);
  await expect(readPublished(await findRun(folder))).rejects.toThrow(
    /no results\.json and no table\.json in/,
  );
  writeFileSync(path.join(folder, 'results.json'), '{');
  await expect(readPublished(await findRun(folder))).rejects.toThrow(/results\.json: not valid JSON/);
});
