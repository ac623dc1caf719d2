import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { loadConfig } from '../../../activities/plan/load-config.ts';
import { planTable } from '../../../activities/plan/plan-table.ts';
import { type TableInput, TableInputSchema, type TableRun, TableSchema } from '../../../core/config/table.ts';

const INPUT = { weights: 's3://bkt/backbone.pth', dataset: 's3://bkt/ade', output: 's3://bkt/runs' };
const HEAD = 's3://bkt/head.pth';

function plan(input: Partial<TableInput>, store = memoryStore()) {
  const context = { store, launcher: 'local', codeVersion: '0.1.0', imageDigest: null };
  return planTable(context, { ...INPUT, ...input }, { workflowId: 'table', runId: 'run-1' });
}
async function rows(input: Partial<TableInput>): Promise<TableRun['rows']> {
  const planned = await plan(input);
  if (planned.kind !== 'run') throw new Error('it has finished');
  return planned.run.rows;
}

describe('the plan of a table', () => {
  it('has the five few-shot rows, short trainings first', async () => {
    const planned = await rows({ suite: 'few-shot' });
    expect(planned.map(({ reproduces }) => reproduces?.row)).toEqual([
      'few-shot (1/16)',
      'few-shot (1/8)',
      'few-shot (1/4)',
      'few-shot (1/2)',
      'few-shot (1/1)',
    ]);
    expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(['train']));
    expect(planned[0]).toMatchObject({
      workflowId: `table-${planned[0]!.name}`,
      input: { ...INPUT, output: 's3://bkt/runs/table/rows', evaluationSplit: 'validation' },
    });
  });

  it('has all eight rows, and trains each on the backbone that is given', async () => {
    const planned = await rows({ suite: 'all' });
    expect(planned).toHaveLength(8);
    expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(['train']));
  });

  it('evaluates of the eight rows those three that are published as they were trained, and trains the others', async () => {
    const planned = await rows({ suite: 'all', weights: undefined });
    const evaluated = planned.filter(({ kind }) => kind === 'evaluate');
    expect(evaluated.map(({ reproduces }) => reproduces?.row)).toEqual([
      'linear probing',
      'head tuning',
      'full tuning',
    ]);
    expect(new Set(planned.map(({ input }) => input.weights))).toEqual(
      new Set(['hf://OpenGVLab/InternVL/intern_vit_6b_224px.pth']),
    );
    expect(evaluated[2]!.input).toMatchObject({
      head: 'hf://OpenGVLab/InternVL/upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5.pth',
    });
  });

  it('takes a given row in place of the suite’s, and a head that is given is evaluated', async () => {
    const config = 'linear_intern_vit_6b_504_5k_ade20k_bs16_lr4e-5_1of16';
    const planned = await rows({ suite: 'few-shot', rows: [{ config, head: HEAD }, { config: 'tiny' }] });
    expect(planned.map(({ kind }) => kind)).toEqual(['evaluate', ...Array(5).fill('train')]);
    expect(planned[0]).toMatchObject({ name: config, input: { head: HEAD, split: 'validation' } });
    expect(planned.at(-1)).toMatchObject({ name: 'tiny', reproduces: null });
  });

  it('of DINOv2 evaluates the published heads in the folder that they are staged in', async () => {
    const planned = await rows({ suite: 'dinov2', weights: undefined, published: 's3://bkt/published' });
    expect(planned.map(({ reproduces }) => reproduces?.mIoU).toSorted()).toEqual([
      44.3, 47.2, 47.3, 47.7, 49, 51.3, 53, 53.1,
    ]);
    expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(['evaluate']));
    expect(planned.find(({ name }) => name === 'dinov2_vits14_ade20k_ms')?.input).toMatchObject({
      weights: 's3://bkt/published/dinov2_vits14_pretrain.pth',
      head: 's3://bkt/published/dinov2_vits14_ade20k_ms_head.pth',
    });
    await expect(rows({ suite: 'dinov2', weights: undefined })).rejects.toThrow(
      /dinov2_vit.* has to be staged first: tessera stage published/,
    );
  });

  it('of DINOv3 trains heads on the Hub’s weights, or on their staged copies', async () => {
    const weightsOf = async (input: Partial<TableInput>) => {
      const planned = await rows({ suite: 'dinov3', weights: undefined, ...input });
      expect(planned.map(({ kind }) => kind)).toEqual(Array(6).fill('train'));
      return planned.find(({ name }) => name === 'dinov3_vits16_ade20k_linear')?.input.weights;
    };
    expect(await weightsOf({})).toBe('hf://facebook/dinov3-vits16-pretrain-lvd1689m');
    expect(await weightsOf({ published: 's3://bkt/published' })).toBe(
      's3://bkt/published/dinov3-vits16-pretrain-lvd1689m.safetensors',
    );
  });

  it('with weights of its own trains every row on them: a published head is not of these', async () => {
    const planned = await rows({ rows: [{ config: 'dinov2_vits14_ade20k_linear' }] });
    expect(planned[0]).toMatchObject({ kind: 'train', input: { weights: INPUT.weights } });
    expect(planned[0]!.input).not.toHaveProperty('head');
  });

  it('gives rows of one config names of their own, and their overrides after the table’s', async () => {
    const planned = await rows({
      rows: [
        { config: 'tiny' },
        { config: 'tiny', overrides: ['train.seed=1'], weights: 's3://bkt/other.pth' },
      ],
      overrides: ['train.steps=40'],
    });
    expect(planned.map(({ workflowId }) => workflowId)).toEqual(['table-tiny', 'table-tiny-2']);
    expect(planned[1]!.input).toMatchObject({
      overrides: ['train.steps=40', 'train.seed=1'],
      weights: 's3://bkt/other.pth',
    });
  });

  it('gives each row the table’s deadline, as far as its kind may have it', async () => {
    const given = { rows: [{ config: 'tiny' }, { config: 'tiny', head: HEAD }] };
    const deadlines = async (deadlineMinutes?: number) =>
      (await rows({ ...given, ...(deadlineMinutes ? { deadlineMinutes } : {}) })).map(
        ({ input }) => input.deadlineMinutes,
      );
    expect(await deadlines(90)).toEqual([90, 90]);
    expect(await deadlines()).toEqual([20_160, 10_080]);
    expect(await deadlines(43_200)).toEqual([43_200, 10_080]);
  });

  it('refuses what can’t be right before anything is started', async () => {
    await expect(plan({})).rejects.toThrow('rows: expected at least one row, or a suite');
    await expect(plan({ rows: [{ config: 'tyni' }] })).rejects.toThrow('did you mean tiny?');
    await expect(plan({ rows: [{ config: 'tiny', head: HEAD, train: true }] })).rejects.toThrow(
      'rows.0.train: expected false or nothing where a head is given',
    );
    const { train: _, ...untrained } = await loadConfig('tiny');
    await expect(plan({ rows: [{ config: untrained, train: true }] })).rejects.toThrow(
      "has no section 'train'",
    );
    await expect(plan({ suite: 'few-shot', overrides: ['train.step=3'] })).rejects.toThrow('train.steps?');
  });

  it('gives a finished table again, and refuses another one under its name', async () => {
    const store = memoryStore();
    const request = TableInputSchema.parse({ ...INPUT, rows: [{ config: 'tiny' }] });
    const artifacts = {
      markdown: 's3://bkt/t.md',
      page: 's3://bkt/t.html',
      schema: 's3://bkt/t.schema.json',
    };
    const table = TableSchema.parse({
      version: 1,
      kind: 'table',
      request,
      artifacts,
      run: {
        workflowId: 'table',
        runId: 'run-0',
        seconds: 0,
        codeVersion: '0.1.0',
        startedAt: '2026-03-01T08:00:00Z',
        finishedAt: '2026-03-01T08:00:00Z',
      },
      rows: [
        {
          name: 'tiny',
          workflowId: 'table-tiny',
          reproduces: null,
          outcome: { kind: 'failed', class: 'BadData', message: 'broken' },
        },
      ],
    });
    await store.write('s3://bkt/runs/table/table.json', Buffer.from(JSON.stringify(table)));
    const asked = { rows: [{ config: 'tiny' }] };
    expect(await plan({ ...asked, concurrency: 3 }, store)).toEqual({
      kind: 'finished',
      result: {
        rows: 1,
        failed: 1,
        tableUri: 's3://bkt/runs/table/table.json',
        markdownUri: artifacts.markdown,
        pageUri: artifacts.page,
        cached: true,
      },
    });
    await expect(plan({ ...asked, overrides: ['train.seed=1'] }, store)).rejects.toThrow(
      'already holds another table: overrides was [] and is ["train.seed=1"]. Choose',
    );
    const again = await plan({ ...asked, recompute: true }, store);
    // The table goes below its own run, its rows where they were.
    expect(again).toMatchObject({
      run: { prefix: 's3://bkt/runs/table/run-1', rows: [{ input: { output: 's3://bkt/runs/table/rows' } }] },
    });
  });
});
