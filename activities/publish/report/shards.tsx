import type { Results } from '../../../core/config/results.ts';
import { count, duration } from './format.ts';
import { Scroll, Section } from './parts.tsx';

/** How the work was spread, closed at first: one line says whether it is worth opening. */
export function Shards({ shards, workers: seen }: Pick<Results, 'shards' | 'workers'>) {
  const workers = new Set(shards.map(({ worker }) => worker)).size;
  const retried = shards.filter(({ attempts }) => attempts > 1).length;
  const slowest = Math.max(0, ...shards.map(({ seconds }) => seconds));
  return (
    <Section id="shards" title="Shards">
      <details class="card">
        <summary>
          {count(shards.length)} shards on {count(workers)} workers, {retried === 0 ? 'none' : count(retried)}{' '}
          tried again, the slowest took {duration(slowest)}
        </summary>
        <Scroll label="Table of shards" tall>
          <table class="sortable asc">
            <caption class="hidden">Worker, images, time, attempts and failures of every shard</caption>
            <thead>
              <tr>
                {['Shard', 'Images', 'Time', 'Attempts'].map((name) => (
                  <th key={name} scope="col">
                    <button type="button">{name}</button>
                  </th>
                ))}
                {['Worker', 'Failures'].map((name) => (
                  <th key={name} scope="col" class="text">
                    <button type="button">{name}</button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shards.map((shard) => (
                <tr key={shard.shard}>
                  <td>{shard.shard}</td>
                  <td>{shard.images}</td>
                  <td data-sort={shard.seconds}>{duration(shard.seconds)}</td>
                  <td>{shard.attempts}</td>
                  <td class="text">{shard.worker}</td>
                  <td class="text wrap">
                    {shard.failures.map((failure, index) => (
                      <div key={index}>
                        <b>{failure.class}</b>: {failure.message}
                      </div>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
      <LostWorkers workers={seen} />
    </Section>
  );
}

/** Those that went before the run was done, each with its cause of death. */
function LostWorkers({ workers }: Pick<Results, 'workers'>) {
  const lost = workers.filter(({ cause }) => cause);
  if (lost.length === 0) return null;
  return (
    <details class="card">
      <summary>
        {count(lost.length)} of {count(workers.length)} workers went before the run was done
      </summary>
      <ul>
        <Gone workers={lost} />
      </ul>
    </details>
  );
}

/** How workers went, a list item each. */
export function Gone({ workers }: Pick<Results, 'workers'>) {
  return (
    <>
      {workers.map(({ name, node, cause }) => (
        <li key={name}>
          {name}
          {node ? ` on ${node}` : ''}: <b>{cause!.kind}</b>, {cause!.message}
        </li>
      ))}
    </>
  );
}
