import { describe, expect, test } from 'vitest';
import { liveView, NOTHING_BESIDE } from '../../../cli/runs/live-lines.ts';
import { type ProgressView, ProgressViewSchema } from '../../../cli/runs/progress-view.ts';
import { terminal } from '../../../cli/terminal.ts';

function evaluation(changes: Partial<ProgressView> = {}): ProgressView {
  return ProgressViewSchema.parse({
    phase: 'evaluating',
    unit: 'images',
    done: 910,
    total: 2000,
    rate: 3.21,
    etaSeconds: 5_400,
    mIoU: 0.5842,
    coverage: 0.455,
    shards: { done: 12, total: 64, slowestSeconds: 40 },
    training: null,
    workers: ['running', 'running', 'waiting: unschedulable: 0/2 nodes'].map((state, i) => ({
      name: `w-${i}`,
      state,
      node: null,
      role: null,
      images: 1,
      shards: 1,
    })),
    trouble: null,
    failures: [],
    rows: [],
    ...changes,
  });
}

const training: ProgressView['training'] = {
  loss: 0.8555,
  accuracy: 71.2,
  lr: 0.0335,
  evaluatedStep: 100,
  best: { step: 50, mIoU: 0.6 },
  checkpoint: null,
};

describe('the progress of a run', () => {
  test.each([60, 80, 120])('keeps phase, share, ETA and mIoU with coverage on %d columns', (columns) => {
    const [head, counts] = liveView(evaluation()).lines(columns);
    expect(head).toMatch(/^▸ evaluating █+░+ +45 % {2}ETA 1h30m {2}mIoU 58\.42 over 45 %$/);
    expect(counts).toMatch(/^ {2}910\/2000 images · 2 workers · 3\.2 images\/s/);
    expect(counts!.length).toBeLessThan(columns);
    expect(head!.length).toBeLessThan(columns);
  });

  test('the bar keeps its length while numbers change', () => {
    const bar = (view: ProgressView) => /[█░]+/.exec(liveView(view).lines(100)[0]!)![0].length;
    expect(bar(evaluation({ etaSeconds: 9 }))).toBe(bar(evaluation({ etaSeconds: 4_000 })));
  });

  test('of a training, losses and the best evaluation', () => {
    const view = evaluation({ phase: 'training', unit: 'steps', shards: null, training, coverage: 1 });
    const { plain } = liveView(view);
    expect(plain).toBe(
      'training · 45 % · ETA 1h30m · mIoU 58.42 at 100 · 910/2000 steps · 2 workers · 3.2 crops/s · ' +
        'loss 0.8555, acc 71.2 %, lr 3.35e-2 · best mIoU 60.00 at 50',
    );
  });

  test('what is slow, what is waited for, and what was mended have a line each', () => {
    const failures: ProgressView['failures'] = [{ class: 'WorkerLost', message: 'w-1: killed\nat once' }];
    const beside = {
      ...NOTHING_BESIDE,
      slow: ['1: 3 of 30 images after 2 min'],
      waitsFor: ['1 worker waiting: x'],
    };
    const lines = liveView(evaluation({ failures }), beside).lines(80);
    expect(lines.slice(2)).toEqual([
      '  waiting for: 1 worker waiting: x',
      '  slow worker 1: 3 of 30 images after 2 min',
      '  mended 1, the last: WorkerLost: w-1: killed',
    ]);
  });

  test('before there is a plan, the phase alone', () => {
    expect(liveView(evaluation({ phase: 'planning', done: 0, total: 0, workers: [] })).lines(60)).toEqual([
      '▸ planning …',
    ]);
  });
});

/** A stream as a terminal is one, or as a pipe is. */
function stream({ isTTY, colours = false }: { isTTY: boolean; colours?: boolean }) {
  let text = '';
  const fake = {
    isTTY,
    columns: 60,
    hasColors: () => colours,
    write: (part: string) => {
      text += part;
      return true;
    },
  };
  return { stream: fake as unknown as NodeJS.WriteStream, text: () => text };
}

describe('a terminal', () => {
  test('draws over what moves, cuts it to its width, and has no colours unless the stream has', () => {
    const plain = stream({ isTTY: true });
    const screen = terminal(plain.stream);
    screen.live(liveView(evaluation()));
    screen.live(liveView(evaluation({ done: 911 })));
    screen.print('done');
    const esc = String.fromCharCode(27);
    expect(plain.text().split(`${esc}[J`)).toHaveLength(4);
    expect(plain.text()).toContain(`\r${esc}[1A${esc}[J`);
    expect(plain.text()).not.toMatch(new RegExp(`${esc}\\[3\\dm`));
    for (const line of plain
      .text()
      .replaceAll(new RegExp(`${esc}\\[\\d*[AJ]|\r`, 'g'), '\n')
      .split('\n'))
      expect(line.length).toBeLessThan(60);
    const coloured = stream({ isTTY: true, colours: true });
    terminal(coloured.stream).live(liveView(evaluation()));
    expect(coloured.text()).toContain(`${esc}[36m█`);
  });

  test('a pipe gets a plain line at each phase, and otherwise only now and then', () => {
    const pipe = stream({ isTTY: false });
    const screen = terminal(pipe.stream);
    for (let done = 0; done < 50; done++) screen.live(liveView(evaluation({ done })));
    screen.live(liveView(evaluation({ phase: 'publishing', done: 2000 })));
    screen.clear();
    const lines = pipe.text().trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^ {2}publishing · 100 % · mIoU 58\.42/);
    expect(pipe.text()).not.toContain(String.fromCharCode(27));
  });
});
