import { expect, test } from 'vitest';
import { createPublish } from '../../../activities/publish/publish-results.ts';
import { classesTable, latex, markdown, summaryTable } from '../../../activities/publish/report/copy-text.ts';
import { readResults } from '../../../core/read-results.ts';
import { memoryStore } from './memory-store.ts';
import { ade20k, FINISHED_MS, publishInput } from './publish-input.ts';

async function resultsOf(changes: Parameters<typeof publishInput>[0] = {}) {
  const { store } = memoryStore();
  const { resultsUri } = await createPublish(store, () => FINISHED_MS).publishResults(publishInput(changes));
  return readResults(store, resultsUri);
}

test('the metrics as Markdown stand beside the original’s number, and say of what they are', async () => {
  const results = await resultsOf();
  const mIoU = (100 * results.metrics.mIoU!).toFixed(2);
  const lines = markdown(summaryTable(results)).split('\n');
  expect(lines[0]).toBe(
    'ADE20K validation, 2000 images, percent; Tessera 0.1.0+4f2c9ab, 2026-03-01 09:31 UTC, run eval-internvit6b-linear-ade20k',
  );
  expect(lines[2]).toBe('| Config | mIoU | mAcc | aAcc | original mIoU |');
  expect(lines[3]).toBe('| --- | ---: | ---: | ---: | ---: |');
  expect(lines[4]).toMatch(`| linear\\_probing\\_ade20k | ${mIoU} |`);
});

test('a partial result says so, and stands beside no original', async () => {
  const partial = { images: 31, ofImages: 2000, shards: 1, ofShards: 64, ranges: [{ first: 0, count: 31 }] };
  const results = await resultsOf({ partial: { ...partial, reason: 'the budget is spent' } });
  const text = markdown(summaryTable(results));
  expect(text).toContain('only 31 of 2000 images');
  expect(text).not.toContain('original');
  expect(text).toContain((100 * results.partial!.metrics.mIoU!).toFixed(2));
});

test('classes as LaTeX have a line each, and hostile names are text', async () => {
  const names = ['a & b_c', '100 % \\input{x}', 'a|b'];
  const classes = {
    ...ade20k,
    classes: ade20k.classes.map((entry, i) => ({ ...entry, name: names[i] ?? entry.name })),
  };
  const table = classesTable(await resultsOf({ classes }));
  const lines = latex(table).split('\n');
  expect(lines[1]).toBe('\\begin{tabular}{lrr}');
  expect(lines.filter((line) => line.endsWith(' \\\\'))).toHaveLength(1 + 150);
  expect(lines[5]).toMatch(/^ {2}a \\& b\\_c & \d+\.\d\d & \d+\.\d\d \\\\$/);
  expect(lines[6]).toMatch(/^ {2}100 \\% \\textbackslash\{\}input\\\{x\\\} & /);
  expect(lines.at(-4)).toMatch(/ & nan & nan \\\\$/);
  expect(markdown(table)).toContain('| a\\|b |');
});
