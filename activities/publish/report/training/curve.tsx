import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** A line of a chart: a value at each step. */
export interface Line {
  name: string;
  points: { step: number; value: number }[];
  color: string;
}

export interface CurveProps {
  title: string;
  /** What the chart says in a sentence, for those who don't see it. */
  summary: string;
  unit: string;
  lines: Line[];
  /** A level to compare with, such as the original's number. */
  reference?: { name: string; value: number };
  dots?: boolean;
}

const WIDTH = 520;
const HEIGHT = 240;
/** More points than pixels show nothing more. */
const MAX_POINTS = 1_000;

/** A chart of values by step, as SVG that follows the page's colours. */
export function Curve({ title, summary, unit, lines, reference, dots }: CurveProps) {
  const { document } = parseHTML('<html></html>');
  const data = lines.flatMap(({ name, points, color }) =>
    thin(points).map((point) => ({ ...point, name, color })),
  );
  const chart = Plot.plot({
    document,
    ...{ width: WIDTH, height: HEIGHT, marginLeft: 52 },
    style: { background: 'none', color: 'var(--muted)', fontSize: '11px' },
    x: { label: 'step', grid: false, ticks: 6 },
    y: { label: unit, grid: true, nice: true, ticks: 5, ...(isTiny(lines) ? { tickFormat: '~e' } : {}) },
    marks: [
      ...lines.map(({ name, color }) =>
        Plot.line(
          data.filter((point) => point.name === name),
          { x: 'step', y: 'value', stroke: color, strokeWidth: 1.75 },
        ),
      ),
      ...(dots ? [Plot.dot(data, { x: 'step', y: 'value', fill: lines[0]!.color, r: 3 })] : []),
      ...(reference
        ? [Plot.ruleY([reference.value], { stroke: 'var(--phase-1)', strokeDasharray: '4 4' })]
        : []),
    ],
  });
  return (
    <figure class="card curve" role="img" aria-label={summary}>
      <figcaption>
        <b>{title}</b>
        {[...lines, ...(reference ? [{ name: reference.name, color: 'var(--phase-1)' }] : [])].map(
          ({ name, color }) => (
            <span key={name} class="key">
              <i style={`background:${color}`} aria-hidden="true" /> {name}
            </span>
          ),
        )}
      </figcaption>
      <div aria-hidden="true" dangerouslySetInnerHTML={{ __html: chart.outerHTML }} />
    </figure>
  );
}

/** Numbers whose zeros would not fit. */
function isTiny(lines: Line[]): boolean {
  return lines.every(({ points }) => points.every(({ value }) => Math.abs(value) < 0.01));
}

function thin(points: Line['points']): Line['points'] {
  const every = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
