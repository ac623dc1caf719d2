import type { TrainResults } from '../../../../core/config/train-results.ts';
import type { TrainRecord } from '../../../../core/train/train-log.ts';
import { Section } from '../parts.tsx';
import { Curve, type Line } from './curve.tsx';

/** Colours of a head's lines, by its name in the log. */
const HEADS: Record<string, { name: string; color: string }> = {
  decode: { name: 'decode head', color: 'var(--accent)' },
  aux: { name: 'auxiliary head', color: 'var(--phase-3)' },
};

/** Loss, accuracy, learning rate, and mIoU of the evaluations. */
export function Curves({ results, records }: { results: TrainResults; records: TrainRecord[] }) {
  const { evaluations, run, steps } = results;
  const original = run.config.reproduces?.mIoU;
  const mIoU = evaluations.flatMap(({ step, mIoU: share }) =>
    share === null ? [] : [{ step, value: 100 * share }],
  );
  const logged = records.length > 0;
  return (
    <Section
      id="curves"
      title="Curves"
      lead={`Means over each ${run.config.train?.logEvery} steps; evaluations where there is a dot.`}
    >
      <div class="curves">
        {logged && (
          <Curve
            title="Loss"
            summary={`The loss went from ${records[0]!.loss.toFixed(3)} to ${records.at(-1)!.loss.toFixed(3)} in ${steps} steps`}
            unit="cross-entropy"
            lines={linesOf(records, 'loss_ce')}
          />
        )}
        <Curve
          title="mIoU"
          summary={`mIoU at ${mIoU.map(({ step, value }) => `step ${step}: ${value.toFixed(2)} %`).join(', ')}`}
          unit="%"
          dots
          lines={[{ name: 'this run', color: 'var(--accent)', points: mIoU }]}
          {...(original === undefined ? {} : { reference: { name: 'the original', value: original } })}
        />
        {logged && (
          <Curve
            title="Accuracy in training"
            summary={`Labelled pixels of the training crops that are right: ${accuracy(records[0]!)} % at first, ${accuracy(records.at(-1)!)} % at last`}
            unit="% of labelled pixels"
            lines={linesOf(records, 'acc_seg')}
          />
        )}
        {logged && (
          <Curve
            title="Learning rate"
            summary={`The learning rate ended at ${records.at(-1)!.lr.toExponential(2)}`}
            unit="learning rate"
            lines={[{ name: 'base', color: 'var(--accent)', points: pointsOf(records, 'lr') }]}
          />
        )}
      </div>
    </Section>
  );
}

function linesOf(records: TrainRecord[], part: string): Line[] {
  return Object.entries(HEADS)
    .map(([head, { name, color }]) => ({ name, color, points: pointsOf(records, `${head}.${part}`) }))
    .filter(({ points }) => points.length > 0);
}

function pointsOf(records: TrainRecord[], name: string): Line['points'] {
  return records.flatMap((record) => {
    const value = record[name];
    return typeof value === 'number' ? [{ step: record.iter, value }] : [];
  });
}

function accuracy(record: TrainRecord): string {
  return Number(record['decode.acc_seg']).toFixed(1);
}
