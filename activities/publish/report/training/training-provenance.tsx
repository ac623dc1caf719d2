import { isVit } from '../../../../core/config/model-kinds.ts';
import type { TrainResults } from '../../../../core/config/train-results.ts';
import { trainedText } from '../../../../core/train/trainable.ts';
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
          ['Trained', trainedOf(run.config)],
          [
            'Optimizer',
            train
              ? [
                  `AdamW, learning rate ${train.optimizer.lr}, weight decay ${train.optimizer.weightDecay}`,
                  train.optimizer.layerDecayRate < 1 && `layer decay ${train.optimizer.layerDecayRate}`,
                  train.dropPathRate > 0 && `drop path ${train.dropPathRate}`,
                ]
                  .filter((part) => part !== false)
                  .join(', ')
              : null,
          ],
          ['Seed', train ? String(train.seed) : null],
          ['Features', train?.trainable === 'head' ? train.features : null],
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

/** Null for a config without a recipe, as tests have it. */
function trainedOf(config: TrainResults['run']['config']): string | null {
  const { train } = config;
  return train && isVit(config) ? trainedText({ model: config.model, train }) : null;
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
