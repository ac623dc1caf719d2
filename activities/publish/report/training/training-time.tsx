import type { TrainResults } from '../../../../core/config/train-results.ts';
import { count, duration } from '../format.ts';
import { Facts, Scroll, Section } from '../parts.tsx';
import { Gone } from '../shards.tsx';

/** Where the time went, and what was lost on the way. */
export function TrainingTime({ results }: { results: TrainResults }) {
  const { timeBudget, segments, failures, workers, cost } = results;
  const waited = segments.reduce((sum, { dataSeconds }) => sum + dataSeconds, 0);
  const lost = workers.filter(({ cause }) => cause);
  return (
    <Section id="time" title="Time">
      <Facts
        facts={[
          ['Planning', duration(timeBudget.plan)],
          ['Training', duration(timeBudget.train)],
          ['of it waiting for features', duration(waited)],
          ['Evaluations', duration(timeBudget.evaluate)],
          ['Starting, publishing and the rest', duration(timeBudget.other)],
          ['Worker time', duration(cost.workerSeconds)],
          ['Cost', cost.pricePerWorkerHour > 0 ? `${cost.total.toFixed(2)} ${cost.currency}` : null],
        ]}
      />
      <details class="card">
        <summary>
          {plural(segments.length, 'segment')}, {plural(failures.length, 'failure')}
        </summary>
        <Scroll label="Table of segments" tall>
          <table>
            <caption class="hidden">Trainer, steps and seconds of each segment</caption>
            <thead>
              <tr>
                {['Until step', 'Steps', 'Time', 'Waiting'].map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
                <th scope="col" class="text">
                  Trainer
                </th>
              </tr>
            </thead>
            <tbody>
              {segments.map(({ until, steps, seconds, dataSeconds, worker }) => (
                <tr key={until}>
                  <td>{count(until)}</td>
                  <td>{count(steps)}</td>
                  <td>{duration(seconds)}</td>
                  <td>{duration(dataSeconds)}</td>
                  <td class="text">{worker}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <ul>
          {failures.map(({ class: failureClass, message }, i) => (
            <li key={i}>
              <b>{failureClass}</b>: {message}
            </li>
          ))}
          <Gone workers={lost} />
        </ul>
      </details>
    </Section>
  );
}

function plural(number: number, what: string): string {
  return `${number === 0 ? 'no' : count(number)} ${what}${number === 1 ? '' : 's'}`;
}
