import { expect, test } from 'vitest';
import { createPublish } from '../../../activities/publish/publish-results.ts';
import type { EvalInput } from '../../../core/config/eval.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { randomCheckpoint, stagedSet, tinyConfig } from '../../builders.ts';
import { FINISHED_MS, publishInput } from '../publish/publish-input.ts';
import { plan, plannedRun } from './plan-of.ts';

/** A staged set whose run has published its results. */
async function finishedRun() {
  const set = await stagedSet();
  const run = await plannedRun(set.store, set.input);
  const { weights, head, dataset, ignoredKeys, config, workflowId, runId } = run;
  const base = publishInput();
  const input = publishInput({
    outputPrefix: run.prefix,
    run: { ...base.run, workflowId, runId, config },
    inputs: { weights, head, dataset, ignoredKeys },
  });
  await createPublish(set.store, () => FINISHED_MS).publishResults(input);
  return { ...set, prefix: run.prefix };
}

test('a run that has finished is not run again: its results are given', async () => {
  const { store, input, prefix } = await finishedRun();
  const again = await plan(store, input, 'run-2');
  expect(again).toMatchObject({
    kind: 'finished',
    result: {
      images: 2000,
      mIoU: expect.any(Number),
      resultsUri: `${prefix}/results.json`,
      reportUri: `${prefix}/report.html`,
      cached: true,
    },
  });
});

test('results of another config, checkpoint or dataset are never taken for this run’s', async () => {
  const { store, input, objects, stageWeights } = await finishedRun();
  const refused = async (changed: EvalInput, fields: string) => {
    const refusal = plan(store, changed);
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(
      new RegExp(
        `eval-1/results\\.json: already holds the results of other inputs: ${fields}\\. .*"recompute": true`,
      ),
    );
  };
  const digest = '"[0-9a-f]{64}"';
  await refused(
    { ...input, overrides: ['run.batch=2', 'run.threads=3'] },
    'config\\.run\\.batch was \\d and is 2; config\\.run\\.threads was \\d and is 3',
  );

  stageWeights('s3://bucket/other.pth', randomCheckpoint(tinyConfig().model, 2));
  await refused({ ...input, weights: 's3://bucket/other.pth' }, `weights was ${digest} and is ${digest}`);
  await refused({ ...input, head: 's3://bucket/other.pth' }, `head was nothing and is ${digest}`);

  const manifest = JSON.parse(objects.get('s3://bucket/data/validation.manifest.json')!.toString());
  manifest.images.pop();
  objects.set('s3://bucket/data/validation.manifest.json', Buffer.from(JSON.stringify(manifest)));
  await refused(input, `dataset was ${digest} and is ${digest}`);
});

test('recompute plans a run whose results go below its own id', async () => {
  const { store, input, prefix } = await finishedRun();
  const again = await plan(store, { ...input, recompute: true }, 'run-2');
  expect(again).toMatchObject({ kind: 'run', run: { prefix: `${prefix}/run-2` } });
});
