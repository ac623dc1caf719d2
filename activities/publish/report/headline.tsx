import type { Results } from '../../../core/config/results.ts';
import type { Share } from '../../../core/metric/metrics.ts';
import { CopyAs } from './copy-as.tsx';
import { summaryTable } from './copy-text.ts';
import { count, duration, moment, percent, signedPoints } from './format.ts';
import { Brand } from './html-page.tsx';

/** Title, the three metrics with the original's number beside, and what the numbers cover. */
export function Headline({ results }: { results: Results }) {
  const { run, inputs, partial, environment } = results;
  const metrics = partial?.metrics ?? results.metrics;
  const name = (metric: string) => (partial ? `Partial ${metric}` : metric);
  const { config } = run;
  return (
    <header>
      <Brand>{partial ? 'Tessera evaluation, partial' : 'Tessera evaluation'}</Brand>
      <h1>{config.name}</h1>
      <p class="lead">
        {inputs.dataset.name} {inputs.dataset.split}, {count(inputs.dataset.images)} images ·{' '}
        {moment(run.startedAt)} · {duration(run.seconds)} on {count(environment.workers)} ×{' '}
        {environment.deviceName}
      </p>
      <dl class="figures">
        <Figure name={name('mIoU')} share={metrics.mIoU} means="mean over classes of intersection / union">
          {!partial && config.reproduces && <Reference reproduces={config.reproduces} mIoU={metrics.mIoU} />}
        </Figure>
        <Figure name={name('mAcc')} share={metrics.mAcc} means="mean over classes of the label found" />
        <Figure name={name('aAcc')} share={metrics.aAcc} means="of all labelled pixels are right" />
        {metrics.mDice !== undefined && (
          <Figure name={name('mDice')} share={metrics.mDice} means="mean over classes of Dice" />
        )}
        {metrics.mFscore !== undefined && (
          <Figure name={name('mFscore')} share={metrics.mFscore} means="mean over classes of F1" />
        )}
      </dl>
      <Coverage results={results} />
      <CopyAs id="summary-as" what="the metrics" table={summaryTable(results)} />
    </header>
  );
}

/** A number with its name, and what it means. */
export function Figure(props: {
  name: string;
  share: Share;
  means: string;
  children?: preact.ComponentChildren;
}) {
  return (
    <div class="figure card">
      <dt>{props.name}</dt>
      <dd>
        <span class="value">{percent(props.share)}</span>
        {props.share !== null && <span class="unit">%</span>}
        <small>{props.means}</small>
        {props.children}
      </dd>
    </div>
  );
}

/** The original's number, and how far ours is from it. */
export function Reference(props: {
  reproduces: NonNullable<Results['run']['config']['reproduces']>;
  mIoU: Share;
}) {
  const { row, mIoU: original, source } = props.reproduces;
  const difference = props.mIoU === null ? null : 100 * props.mIoU - original;
  return (
    <small class="reference">
      <b>{original}</b> in the original
      {difference !== null && (
        <>
          : <b class="delta">{signedPoints(difference)}</b> points
        </>
      )}
      <br />
      {row}, {/^https:/.test(source) ? <a href={source}>source</a> : source}
    </small>
  );
}

function Coverage({ results: { coverage, inputs, partial } }: { results: Results }) {
  return (
    <div class={partial ? 'coverage card partial' : 'coverage card'}>
      {partial && (
        <p>
          <b>
            Not the exact mIoU: only {count(partial.images)} of {count(partial.ofImages)} images were
            evaluated.
          </b>{' '}
          {partial.reason}. They are the first ones in the dataset’s order, not a random sample.
        </p>
      )}
      <p>
        <b>{partial ? 'Each of these exactly once.' : 'Every image exactly once.'}</b>{' '}
        {count(coverage.images)} of {count(inputs.dataset.images)} images, {count(coverage.labelledPixels)}{' '}
        labelled pixels.
      </p>
      <p class="small muted">
        Digest over all predictions, equal for any number of shards, workers and batches:{' '}
        <code>{coverage.predictionsSha256}</code>
      </p>
    </div>
  );
}
