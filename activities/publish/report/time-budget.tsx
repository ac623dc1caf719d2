import type { Results } from '../../../core/config/results.ts';
import { count, duration, percent } from './format.ts';
import { Scroll, Section } from './parts.tsx';

type Wall = Results['timeBudget']['wall'];
type Worker = Results['timeBudget']['worker'];
type ColdStart = NonNullable<Results['timeBudget']['coldStart']>;

const WALL_PHASES: Record<keyof Wall, string> = {
  plan: 'plan',
  launch: 'launch workers',
  evaluate: 'evaluate',
  publish: 'publish',
};

const WORKER_PHASES: Record<keyof Worker, [name: string, means: string]> = {
  start: ['start', 'from the request until the process answers'],
  weightFetch: ['weight fetch', 'store to node cache, or waiting for another worker that does'],
  graphBuild: ['graph build', 'checkpoint to session'],
  warmUp: ['warm-up', 'first batch'],
  compute: ['compute', 'backbone, head and stitching'],
  idle: ['idle', 'waiting for images, or for a shard'],
};

const COLD_START: Record<keyof ColdStart, string> = {
  plan: 'plan',
  create: 'create',
  schedule: 'find a node',
  pull: 'pull the image',
  start: 'start and connect',
  weightFetch: 'fetch weights',
  graphBuild: 'build the graph',
  warmUp: 'warm up',
  total: '',
};

/** Where the time went: on the clock as one bar, and summed over workers as a table. */
export function TimeBudget({ results: { timeBudget, cost, environment } }: { results: Results }) {
  return (
    <Section id="time" title="Time">
      <WallBar wall={timeBudget.wall} />
      {timeBudget.coldStart && <ColdStartLine coldStart={timeBudget.coldStart} />}
      <WorkerTable worker={timeBudget.worker} workers={environment.workers} />
      <p>
        <b>{count(timeBudget.gpuSeconds)} GPU-seconds</b>, {count(cost.workerSeconds)} worker-seconds
        {cost.pricePerWorkerHour > 0
          ? `: ${cost.total.toFixed(2)} ${cost.currency} at ${cost.pricePerWorkerHour} ${cost.currency} for a worker’s hour.`
          : '. The config gives no price, so there is no cost.'}
      </p>
    </Section>
  );
}

function WallBar({ wall }: { wall: Wall }) {
  const phases = keysOf(WALL_PHASES).map((key, index) => ({
    key,
    seconds: wall[key],
    color: `--phase-${index}`,
  }));
  const all = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  return (
    <figure class="wall card">
      <figcaption>On the clock: {duration(all)}</figcaption>
      <div class="stack" aria-hidden="true">
        {phases.map(({ key, seconds, color }) => (
          <span key={key} style={`flex-grow:${all === 0 ? 1 : seconds};background:var(${color})`} />
        ))}
      </div>
      <ul class="legend">
        {phases.map(({ key, seconds, color }) => (
          <li key={key}>
            <i class="swatch" style={`background:var(${color})`} aria-hidden="true" />
            {WALL_PHASES[key]} <b>{duration(seconds)}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}

/** Of the worker that was ready first. Phases of no duration are left out: a laptop's processes pull no image. */
function ColdStartLine({ coldStart }: { coldStart: ColdStart }) {
  const parts = keysOf(COLD_START).filter((key) => key !== 'total' && coldStart[key] >= 0.05);
  return (
    <p>
      <b>{duration(coldStart.total)} from the start to the first batch</b>:{' '}
      {parts.map((key) => `${COLD_START[key]} ${duration(coldStart[key])}`).join(' · ')}
    </p>
  );
}

function WorkerTable({ worker, workers }: { worker: Worker; workers: number }) {
  const phases = keysOf(WORKER_PHASES);
  const all = phases.reduce((sum, key) => sum + worker[key], 0);
  return (
    <Scroll label="Table of worker phases">
      <table class="phases">
        <caption>
          Summed over {count(workers)} workers: {duration(all)}
        </caption>
        <thead>
          <tr>
            <th scope="col" class="text">
              Phase
            </th>
            <th scope="col">Time</th>
            <th scope="col">Share, %</th>
            <th scope="col" class="text">
              What it is
            </th>
          </tr>
        </thead>
        <tbody>
          {phases.map((key) => {
            const share = all === 0 ? 0 : worker[key] / all;
            return (
              <tr key={key}>
                <th scope="row">{WORKER_PHASES[key][0]}</th>
                <td>{duration(worker[key])}</td>
                <td class="bar" style={`--v:${share.toFixed(3)}`}>
                  {percent(share, 1)}
                </td>
                <td class="text muted wrap">{WORKER_PHASES[key][1]}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

function keysOf<K extends string>(record: Record<K, unknown>): K[] {
  return Object.keys(record) as K[];
}
