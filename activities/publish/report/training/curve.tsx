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
/** Room for the larger words of a phone's page. */
const MARGINS = { marginTop: 28, marginRight: 28, marginBottom: 44, marginLeft: 58 };
/** More points than pixels show nothing more. */
const MAX_POINTS = 1_000;
/** Of values that the page's script shows. */
const DIGITS = 5;

type Chart = ReturnType<typeof Plot.plot>;

/** A chart of values by step, as SVG that follows the page's colours. */
export function Curve({ title, summary, unit, lines, reference, dots }: CurveProps) {
  const { document } = parseHTML('<html></html>');
  const data = lines.flatMap(({ name, points, color }) =>
    thin(points).map((point) => ({ ...point, name, color })),
  );
  const levels = [...data.map(({ value }) => value), ...(reference ? [reference.value] : [])];
  const chart = Plot.plot({
    document,
    width: WIDTH,
    height: HEIGHT,
    ...MARGINS,
    style: { background: 'none', color: 'var(--muted)' },
    x: {
      label: 'step',
      labelOffset: 38,
      grid: false,
      ticks: 5,
      tickFormat: '~s',
      ...upTo(data.map(({ step }) => step)),
    },
    y: {
      label: unit,
      grid: true,
      nice: true,
      ticks: 5,
      ...around(levels),
      ...(isTiny(lines) ? { tickFormat: tiny } : {}),
    },
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
    <figure class="card curve" data-script="curve">
      <figcaption>
        <b>{title}</b>
        {lines.map(({ name, color }) => (
          <Key key={name} name={name} color={color} line />
        ))}
        {reference && <Key name={reference.name} color="var(--phase-1)" />}
        <output />
      </figcaption>
      <div
        class="plot"
        role="img"
        aria-label={summary}
        data-plot={JSON.stringify(pointsOf(data, lines, chart))}
      >
        <div aria-hidden="true" dangerouslySetInnerHTML={{ __html: chart.outerHTML }} />
      </div>
      <input type="range" class="probe" min="0" value="0" aria-label={`Step of ${title}`} hidden />
    </figure>
  );
}

function Key({ name, color, line }: { name: string; color: string; line?: true }) {
  return (
    <span class="key" {...(line ? { 'data-line': name } : {})}>
      <i style={`background:${color}`} aria-hidden="true" /> {name}
    </span>
  );
}

/** What the page's script looks up: the points of each line, and where the axes lie in the drawing. */
function pointsOf(data: (Line['points'][number] & { name: string })[], lines: Line[], chart: Chart) {
  const axis = (name: 'x' | 'y') => {
    const scale = chart.scale(name);
    return { domain: scale?.domain ?? [0, 1], range: scale?.range ?? [0, 1] };
  };
  return {
    x: axis('x'),
    y: axis('y'),
    lines: lines.map(({ name }) => ({
      name,
      points: data
        .filter((point) => point.name === name)
        .map(({ step, value }) => [step, Number(value.toPrecision(DIGITS))]),
    })),
  };
}

/** An axis for values that are all the same: left to itself it would have one tick, with all of its digits. */
function around(values: number[]): { domain?: [number, number] } {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low !== high) return {};
  const margin = Math.abs(low) / 10 || 1;
  return { domain: [low - margin, low + margin] };
}

/** The same of a lone step: there are none behind it. */
function upTo(steps: number[]): { domain?: [number, number] } {
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  return first === last ? { domain: [0, last] } : {};
}

/** Numbers whose zeros would not fit. */
function isTiny(lines: Line[]): boolean {
  return lines.every(({ points }) => points.every(({ value }) => Math.abs(value) < 0.01));
}

/** 0.00003 → `3e-5`. */
function tiny(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(3)).toExponential();
}

function thin(points: Line['points']): Line['points'] {
  const every = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
