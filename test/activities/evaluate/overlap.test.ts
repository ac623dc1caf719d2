import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Overlap, type Span } from '../../../activities/evaluate/overlap.ts';

test('two that take turns are never at work at the same time', () => {
  const overlap = new Overlap();
  overlap.addGraph({ start: 0, end: 1_000 });
  overlap.addStitch({ start: 1_000, end: 1_500 });
  overlap.addGraph({ start: 1_500, end: 2_500 });
  expect(overlap.seconds).toBe(0);
});

test('what is heard of late counts as well', () => {
  const overlap = new Overlap();
  overlap.addStitch({ start: 1_000, end: 1_500 });
  overlap.addGraph({ start: 0, end: 900 });
  overlap.addGraph({ start: 1_200, end: 2_000 });
  overlap.addStitch({ start: 1_600, end: 1_700 });
  expect(overlap.seconds).toBeCloseTo(0.4);
});

/** Lengths of gaps and of spans, in turns. */
const thread = fc
  .array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 20 })), { maxLength: 12 })
  .map((steps) => {
    let at = 0;
    return steps.map(([gap, length]): Span => {
      const start = at + gap;
      at = start + length;
      return { start, end: at };
    });
  });

test('in whatever order the two report, the sum is the time in which both were at work', () => {
  fc.assert(
    fc.property(
      thread,
      thread,
      fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
      (one, other, turns) => {
        const overlap = new Overlap();
        const [graph, stitch] = [[...one], [...other]];
        for (const turn of [...turns, ...Array(24).fill(true), ...Array(24).fill(false)]) {
          const span = (turn ? graph : stitch).shift();
          if (span && turn) overlap.addGraph(span);
          else if (span) overlap.addStitch(span);
        }
        const isIn = (spans: Span[], at: number) => spans.some(({ start, end }) => start <= at && at < end);
        const both = Array.from({ length: 500 }, (_, at) => at).filter(
          (at) => isIn(one, at) && isIn(other, at),
        );
        expect(overlap.seconds).toBeCloseTo(both.length / 1000);
      },
    ),
  );
});
