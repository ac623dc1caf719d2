import { expect, test } from 'vitest';
import { columnsText, cut } from '../../../cli/runs/columns.ts';
import { type RunRow, runColumns, stateOf } from '../../../cli/runs/run-row.ts';
import { ageText, costText, durationText, sinceDate } from '../../../cli/runs/texts.ts';
import { shortName } from '../../../cli/runs/worker-name.ts';

const NOW = Date.parse('2026-11-29T12:00:00Z');

function row(changes: Partial<RunRow> = {}): RunRow {
  return {
    id: 'vit6b-upernet-20261129-110000',
    runId: 'r',
    kind: 'EvalMIoU',
    state: 'completed',
    phase: null,
    config: 'upernet_intern_vit_6b_504_80k_ade20k',
    dataset: 'ade20k',
    share: 1,
    mIoU: 0.5842,
    startedAt: '2026-11-29T11:00:00.000Z',
    endedAt: null,
    labels: {},
    parent: null,
    cost: { workerSeconds: 3600, total: 2.5, currency: 'USD' },
    ...changes,
  };
}

const ROWS = [
  row(),
  row({ id: 'b', state: 'running', phase: 'evaluating', share: 0.459, mIoU: null, cost: null }),
];

test('a table without a limit has every column', () => {
  const [head, first, second] = columnsText(runColumns(NOW), ROWS).split('\n');
  expect(head!.trim().split(/ +/)).toEqual(['ID', 'KIND', 'CONFIG', 'STATE', '%', 'MIOU', 'AGE', 'COST']);
  expect(first).toMatch(/^vit6b-\S+ +EvalMIoU +upernet\S+ +completed +100 +58\.42 +60m +2\.50 USD$/);
  expect(second).toMatch(/^b +EvalMIoU +upernet\S+ +evaluating +45 +– +60m +–$/);
});

test('on 60 columns which run, how it stands, how far it is and its mIoU stay', () => {
  const lines = columnsText(runColumns(NOW), ROWS, 60).split('\n');
  expect(lines[0]!.trim().split(/ +/)).toEqual(['ID', 'STATE', '%', 'MIOU', 'AGE']);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  expect(lines[1]).toContain('58.42');
});

test('an id that is too long loses its middle, never its end', () => {
  const id = `${'x'.repeat(80)}-20261129-110000`;
  const lines = columnsText(runColumns(NOW), [row({ id })], 60).split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  expect(lines[1]).toMatch(/^x+….*-110000 +completed/);
  expect(cut('abc', 3)).toBe('abc');
});

test.each([
  [45, '45s', '45 s'],
  [750, '12m', '12 min 30 s'],
  [7_200, '2h', '2 h'],
  [187_200, '2d', '2 d 4 h'],
])('%d s', (seconds, age, duration) => {
  expect([ageText(seconds), durationText(seconds)]).toEqual([age, duration]);
});

test('a time is how long ago, or a date', () => {
  expect(sinceDate('90m', NOW).toISOString()).toBe('2026-11-29T10:30:00.000Z');
  expect(sinceDate('2d', NOW).toISOString()).toBe('2026-11-27T12:00:00.000Z');
  expect(sinceDate('2026-11-01', NOW).toISOString()).toBe('2026-11-01T00:00:00.000Z');
  for (const text of ['2', 'd', '2 days', '2026-13-45', ''])
    expect(() => sinceDate(text, NOW)).toThrow(/--since/);
});

test('what has no price costs nothing that could be said', () => {
  expect(costText({ workerSeconds: 9, total: null, currency: 'USD' })).toBe('–');
  expect(costText({ workerSeconds: 9, total: 0.004, currency: 'EUR' })).toBe('0.00 EUR');
});

test('Temporal’s words for a run’s state are ours', () => {
  expect(['RUNNING', 'CANCELLED', 'TIMED_OUT', 'PAUSED'].map(stateOf)).toEqual([
    'running',
    'cancelled',
    'timed-out',
    'running',
  ]);
});

test('a worker is named without its fleet', () => {
  const fleet = 'eval-01a22723-65ce-744e-ba03-e089864bff57';
  expect(shortName(`${fleet}-3`)).toBe('3');
  expect(shortName(`${fleet}-3-x7k2p`)).toBe('3-x7k2p');
  expect(shortName('gpu-worker')).toBe('gpu-worker');
});
