import { expect, test } from 'vitest';
import { createPublish } from '../../../activities/publish/publish-results.ts';
import { makeIndex } from '../../../cli/index/make-index.ts';
import { IndexSchema } from '../../../core/config/run-index.ts';
import { memoryStore } from '../../activities/publish/memory-store.ts';
import { FINISHED_MS, publishInput } from '../../activities/publish/publish-input.ts';
import { publishedTable } from '../../page/published-table.ts';
import { trainingResults } from '../../page/training-results.ts';

const PREFIX = 's3://results';

/** An evaluation, a training with an evaluation below it, and a table with a row. */
async function published() {
  const memory = memoryStore();
  const publish = createPublish(memory.store, () => FINISHED_MS);
  const evaluation = (folder: string, workflowId: string) => {
    const input = publishInput({ outputPrefix: `${PREFIX}/${folder}` });
    return publish.publishResults({
      ...input,
      run: { ...input.run, workflowId, labels: { team: 'vision' } },
    });
  };
  await evaluation('linear', 'linear');
  await evaluation('probe/evaluations/step_10000', 'probe-10000');
  await evaluation('paper/rows/paper-row', 'paper-row');
  const write = (name: string, value: unknown) =>
    memory.store.write(`${PREFIX}/${name}`, Buffer.from(JSON.stringify(value)));
  await write('probe/results.json', (await trainingResults()).results);
  await write('probe/report.html', '');
  await write('paper/table.json', await publishedTable());
  return { ...memory, write };
}

test('lists evaluations, trainings and tables, and whose part each is, the last one first', async () => {
  const { store, objects } = await published();
  const index = await makeIndex(store, PREFIX);
  expect(IndexSchema.parse(index)).toEqual(index);
  expect(index.runs.map(({ workflowId, kind, partOf }) => [workflowId, kind, partOf])).toEqual([
    ['paper', 'table', null],
    ['probe', 'training', null],
    ['linear', 'evaluation', null],
    ['paper-row', 'evaluation', 'paper'],
    ['probe-10000', 'evaluation', 'probe'],
  ]);
  const { evaluations } = (await trainingResults()).results;
  expect(index.runs[1]).toMatchObject({ mIoU: evaluations.at(-1)!.mIoU, original: 47.2, incomplete: null });
  expect(index.runs[2]).toMatchObject({ dataset: 'ADE20K validation', labels: { team: 'vision' } });
  // Its page isn't there.
  expect(index.runs[0]).toMatchObject({ pageUri: null, config: 'all' });
  expect(index.notRead).toEqual([]);
  const page = String(objects.get(`${PREFIX}/index.html`));
  expect(page).toContain('href="linear/report.html"');
  expect(page).toContain('href="probe/evaluations/step_10000/report.html"');
});

test('the same runs give the same page, however often', async () => {
  const { store, objects } = await published();
  await makeIndex(store, PREFIX);
  const page = String(objects.get(`${PREFIX}/index.html`));
  await makeIndex(store, PREFIX);
  expect(String(objects.get(`${PREFIX}/index.html`))).toBe(page);
});

test('other objects of these names are no runs, and are named; results of other versions are read as far as that goes', async () => {
  const { store, write } = await published();
  const results = JSON.parse(String(await store.read(`${PREFIX}/linear/results.json`)));
  await write('later/results.json', {
    ...results,
    version: 2,
    metrics: { mIoU: 'secret' },
    cost: { euros: 3 },
    run: { ...results.run, workflowId: 'later' },
  });
  await write('coco/results.json', [{ image_id: 1, score: 0.5 }]);
  await write('video/results.json', { ...results, kind: 'video' });
  await store.write(`${PREFIX}/broken/results.json`, Buffer.from('{'));
  const index = await makeIndex(store, PREFIX);
  expect(index.runs.find(({ workflowId }) => workflowId === 'later')).toMatchObject({
    dataset: 'ADE20K validation',
    mIoU: null,
    cost: null,
    incomplete: expect.stringContaining('version 2'),
  });
  expect(index.notRead.map(({ uri }) => uri)).toEqual(
    ['broken', 'coco', 'video'].map((name) => `${PREFIX}/${name}/results.json`),
  );
  expect(index.notRead[1]!.reason).toBe(`${PREFIX}/coco/results.json: is not of Tessera: it names no run`);
});

test('a page that somebody else has made stays', async () => {
  const { store, write, objects } = await published();
  await write('index.html', '<html>mine</html>');
  await expect(makeIndex(store, PREFIX)).rejects.toThrow(
    /index\.html: is there, and was not made by Tessera/,
  );
  expect(String(objects.get(`${PREFIX}/index.html`))).toContain('mine');
});

test('a prefix without runs is refused, and no page is written', async () => {
  const { store, writes } = memoryStore({ [`${PREFIX}/results.json`]: Buffer.from('[]') });
  await expect(makeIndex(store, PREFIX)).rejects.toThrow(
    /^s3:\/\/results: no run has published below it; .*is not of Tessera/,
  );
  expect(writes).toEqual([]);
});
