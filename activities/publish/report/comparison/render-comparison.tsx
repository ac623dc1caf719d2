import type { Change, ClassChange, ComparedPair, Comparison } from '../../../../core/config/comparison.ts';
import { excludesZero } from '../../../../core/metric/compare-runs.ts';
import { count, moment, percent } from '../format.ts';
import { Brand, Contents, htmlPage } from '../html-page.tsx';
import { Facts, Scroll, Section } from '../parts.tsx';

const MEANS = ['mIoU', 'mAcc', 'aAcc'] as const;
const WIDTH = 120;
const HEIGHT = 14;

/** @returns one self-contained page: what has become better or worse, and how sure that is */
export function renderComparison(comparison: Comparison): string {
  const names = [comparison.baseline, ...comparison.comparisons.map(({ run }) => run)].map(
    ({ name }) => name,
  );
  return htmlPage(`${names.join(' and ')} compared`, <Page comparison={comparison} />);
}

function Page({ comparison }: { comparison: Comparison }) {
  const { dataset, baseline, bootstrap, comparisons } = comparison;
  const idOf = (pair: ComparedPair) => `run-${comparisons.indexOf(pair) + 1}`;
  return (
    <main>
      <header>
        <Brand>Tessera comparison</Brand>
        <h1>{[baseline, ...comparisons.map(({ run }) => run)].map(({ name }) => name).join(' → ')}</h1>
        <p class="lead">
          {dataset.name}, {dataset.split}, {count(dataset.images)} images · baseline {baseline.name}
        </p>
        <Contents
          parts={{
            ...Object.fromEntries(comparisons.map((pair) => [idOf(pair), pair.run.name])),
            method: 'Method',
          }}
        />
      </header>
      {comparisons.map((pair) => (
        <Pair key={idOf(pair)} id={idOf(pair)} pair={pair} baseline={baseline.name} />
      ))}
      <Section
        id="method"
        title="Method"
        lead={`Images are drawn with replacement, the same ones for both runs, ${count(bootstrap.resamples)} times; intervals hold the middle ${100 * bootstrap.confidence} % of the differences. A class is significant if its change holds although all classes were looked at (Benjamini–Hochberg). Classes in fewer than 10 images have no interval.`}
      >
        <Facts
          facts={[baseline, ...comparisons.map(({ run }) => run)].map((run) => [
            run.name,
            `${run.config}, ${moment(run.finishedAt)}, ${run.weights}${run.head ? `, ${run.head}` : ''}`,
          ])}
        />
      </Section>
    </main>
  );
}

function Pair({ id, pair, baseline }: { id: string; pair: ComparedPair; baseline: string }) {
  const perClass = pair.perClass.filter(({ difference }) => difference !== null);
  const scale = Math.max(...perClass.map(extentOf), 0.001);
  const columns = ['Class', baseline, pair.run.name, 'Difference', 'Interval', 'Certainty', 'Images'];
  return (
    <Section id={id} title={`${baseline} → ${pair.run.name}`} lead={pair.notes.join(' ')}>
      <Facts facts={MEANS.map((key) => [key, meanText(pair[key])])} />
      <div style="height:1.2rem" />
      <Scroll label={`Classes of ${pair.run.name}`} tall>
        <table class="sortable n-last">
          <caption class="hidden">
            IoU of every class in both runs, in percent, and the difference in points
          </caption>
          <thead>
            <tr>
              {columns.map((name, i) => (
                <th key={`${i}-${name}`} scope="col" class={i === 0 ? 'text' : undefined}>
                  <button type="button">{name}</button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {perClass.map((change) => (
              <tr key={change.class}>
                <th scope="row">{change.name.trim()}</th>
                <td data-sort={change.before ?? ''}>{percent(change.before)}</td>
                <td data-sort={change.after ?? ''}>{percent(change.after)}</td>
                <td data-sort={change.difference ?? ''}>
                  {change.significant ? <b>{points(change.difference)}</b> : points(change.difference)}
                </td>
                <td data-sort={change.interval?.[0] ?? ''}>
                  <Whisker change={change} scale={scale} />
                </td>
                <td data-sort={change.p ?? ''}>{certaintyOf(change)}</td>
                <td>{change.images ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

/** An interval as a line about 0, the difference as a dot on it. */
function Whisker({ change: { difference, interval }, scale }: { change: Change; scale: number }) {
  if (!interval || difference === null) return <span class="muted">–</span>;
  const x = (value: number) => (WIDTH / 2) * (1 + (0.96 * value) / scale);
  const color = excludesZero(interval) ? 'var(--accent)' : 'currentColor';
  const text = `${points(interval[0])} to ${points(interval[1])}`;
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
      <title>{text}</title>
      <line x1={WIDTH / 2} x2={WIDTH / 2} y1="0" y2={HEIGHT} stroke="currentColor" stroke-opacity="0.35" />
      <line
        x1={x(interval[0])}
        x2={x(interval[1])}
        y1={HEIGHT / 2}
        y2={HEIGHT / 2}
        stroke={color}
        stroke-width="2"
      />
      <circle cx={x(difference)} cy={HEIGHT / 2} r="3.5" fill={color} />
    </svg>
  );
}

function certaintyOf({ significant, excludesZero, interval }: ClassChange): string {
  if (!interval) return '–';
  return significant ? 'significant' : excludesZero ? 'excludes 0' : 'open';
}

function extentOf({ difference, interval }: Change): number {
  return Math.max(...[difference ?? 0, ...(interval ?? [])].map(Math.abs));
}

function meanText({ before, after, difference, interval }: Change): string {
  const range = interval ? ` (${points(interval[0])} to ${points(interval[1])})` : '';
  return `${percent(before)} → ${percent(after)}: ${points(difference)}${range}`;
}

/** 0.0123 → `+1.23`. */
function points(difference: number | null): string {
  if (difference === null) return 'nan';
  const text = (100 * difference).toFixed(2);
  return text.startsWith('-') ? text.replace('-', '−') : `+${text}`;
}
