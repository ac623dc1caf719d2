import type { TrainResults } from '../../../../core/config/train-results.ts';
import { folderOf, joinUri } from '../../../../core/store.ts';
import type { TrainRecord } from '../../../../core/train/train-log.ts';
import { Files, Reproduce, relativeHref } from '../aftermath.tsx';
import { count, duration, moment, percent } from '../format.ts';
import { Figure, Reference } from '../headline.tsx';
import { Brand, Contents, htmlPage } from '../html-page.tsx';
import { Scroll, Section } from '../parts.tsx';
import { Curves } from './curves.tsx';
import { TrainingProvenance } from './training-provenance.tsx';
import { TrainingTime } from './training-time.tsx';

export interface TrainingReportInput {
  results: TrainResults;
  /** The log's `train` lines. */
  records: TrainRecord[];
  /** Commands that run the same training again. */
  reproduce: string[];
}

/** @returns report.html of a training */
export function renderTraining(input: TrainingReportInput): string {
  const { run, inputs } = input.results;
  return htmlPage(`Training ${run.config.name} on ${inputs.dataset.name}`, <Page {...input} />, ['curves']);
}

function Page({ results, records, reproduce }: TrainingReportInput) {
  return (
    <main>
      <Head results={results} records={records} />
      <Contents
        parts={{
          curves: 'Curves',
          evaluations: 'Evaluations',
          time: 'Time',
          inputs: 'Inputs',
          ...(reproduce.length > 0 ? { reproduce: 'Run it again' } : {}),
          artifacts: 'Files',
        }}
      />
      <Curves results={results} records={records} />
      <Evaluations results={results} />
      <TrainingTime results={results} />
      <TrainingProvenance results={results} />
      <Reproduce
        commands={reproduce}
        lead="The same inputs give the same weights, bit for bit, on machines of one kind."
      />
      <TrainingFiles results={results} />
    </main>
  );
}

function Head({ results, records }: { results: TrainResults; records: TrainRecord[] }) {
  const { run, inputs, best, steps, evaluations, timeBudget, segments } = results;
  const { config } = run;
  const last = records.at(-1);
  const trained = segments.reduce((sum, segment) => sum + segment.steps, 0);
  const crops = trained * config.train!.batch;
  return (
    <header>
      <Brand>Tessera training</Brand>
      <h1>{config.name}</h1>
      <p class="lead">
        {inputs.dataset.name} {inputs.dataset.split}, {count(inputs.dataset.images)} images · {count(steps)}{' '}
        steps of {count(config.train!.batch)} crops · {moment(run.startedAt)} · {duration(run.seconds)}
      </p>
      <dl class="figures">
        <Figure name="best mIoU" share={best.mIoU} means={`at step ${count(best.step)}`}>
          {config.reproduces && <Reference reproduces={config.reproduces} mIoU={best.mIoU} />}
        </Figure>
        <Figure
          name="last mIoU"
          share={evaluations.at(-1)!.mIoU}
          means={`at step ${count(evaluations.at(-1)!.step)}`}
        />
        {last && (
          <Figure
            name="training accuracy"
            share={Number(last['decode.acc_seg']) / 100}
            means={`loss ${last.loss.toFixed(4)} at last`}
          />
        )}
      </dl>
      {timeBudget.train > 0 && (
        <p class="small muted">
          {(crops / timeBudget.train).toFixed(1)} crops a second while training. The same seed, data and
          config give the same weights, bit for bit, on any number of workers of one kind.
        </p>
      )}
    </header>
  );
}

function Evaluations({ results: { evaluations, best, artifacts } }: { results: TrainResults }) {
  return (
    <Section id="evaluations" title="Evaluations" lead="Each by a whole EvalMIoU of its own, with its page.">
      <Scroll label="Table of evaluations" tall={evaluations.length > 12} kind="evaluations">
        <table class="sortable">
          <caption class="hidden">mIoU, mAcc and aAcc at each evaluated step</caption>
          <thead>
            <tr>
              {['Step', 'mIoU %', 'mAcc %', 'aAcc %'].map((name) => (
                <th key={name} scope="col">
                  <button type="button">{name}</button>
                </th>
              ))}
              <th scope="col" class="text">
                Page
              </th>
            </tr>
          </thead>
          <tbody>
            {evaluations.map(({ step, mIoU, mAcc, aAcc, resultsUri }) => (
              <tr key={step}>
                <td>
                  {count(step)}
                  {step === best.step ? ' ★' : ''}
                </td>
                <td>{percent(mIoU)}</td>
                <td>{percent(mAcc)}</td>
                <td>{percent(aAcc)}</td>
                <td class="text">
                  <ReportLink results={resultsUri} page={artifacts.report} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function ReportLink({ results, page }: { results: string; page: string }) {
  const report = results.replace(/results\.json$/, 'report.html');
  const href = relativeHref(report, page);
  return href === null ? <code>{report}</code> : <a href={href}>report.html</a>;
}

function TrainingFiles({ results: { artifacts, checkpoints } }: { results: TrainResults }) {
  const files: [uri: string, what: string][] = [
    [checkpoints.best.head.uri, 'the best head: mmseg loads it, and EvalMIoU takes it'],
    [checkpoints.last.head.uri, 'the last head'],
    [artifacts.log, 'the log, JSON lines as mmseg writes them'],
    [joinUri(folderOf(artifacts.report), 'results.json'), 'everything on this page, for programs'],
  ];
  return <Files page={artifacts.report} files={files} />;
}
