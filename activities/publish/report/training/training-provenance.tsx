import type { TrainResults } from '../../../../core/config/train-results.ts';
import { bytes, count, labelsText } from '../format.ts';
import { Facts, Section } from '../parts.tsx';

/** What the training read, with which recipe. */
export function TrainingProvenance({ results }: { results: TrainResults }) {
  const { run, inputs, resumedFrom } = results;
  const { train } = run.config;
  const { start } = inputs;
  return (
    <Section id="inputs" title="Inputs">
      <Facts
        facts={[
          ['Weights', <Stored key="weights" {...inputs.weights} />],
          ['Dataset', <Stored key="dataset" {...inputs.dataset} />],
          ['Evaluated on', `${inputs.evaluation.split} of ${inputs.evaluation.dataset}`],
          ['Begun from', start.from === 'head' ? <Stored key="head" {...start.head} /> : startText(start)],
          ['Resumed from step', resumedFrom === null ? null : count(resumedFrom)],
          [
            'Optimizer',
            train
              ? `AdamW, learning rate ${train.optimizer.lr}, weight decay ${train.optimizer.weightDecay}`
              : null,
          ],
          ['Seed', train ? String(train.seed) : null],
          ['Features', train ? train.features : null],
          ['Code', <code key="code">{run.codeVersion}</code>],
          ['Container image', run.imageDigest && <code>{run.imageDigest}</code>],
          ['Labels', labelsText(run)],
          ['Workflow', <code key="workflow">{run.workflowId}</code>],
          ['Run', <code key="run">{run.runId}</code>],
        ]}
      />
      <details class="card">
        <summary>Config as resolved</summary>
        <pre>{JSON.stringify(run.config, null, 2)}</pre>
      </details>
    </Section>
  );
}

function Stored({ uri, sha256, sizeBytes }: { uri: string; sha256: string; sizeBytes: number }) {
  return (
    <>
      <code>{uri}</code>{' '}
      <small>
        {bytes(sizeBytes)}, SHA-256 {sha256}
      </small>
    </>
  );
}

function startText(start: TrainResults['inputs']['start']): string {
  return start.from === 'checkpoint' ? `step ${count(start.step)} of ${start.uri}` : 'random weights';
}
