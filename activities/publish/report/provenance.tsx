import type { Results } from '../../../core/config/results.ts';
import { bytes, count, labelsText, moment } from './format.ts';
import { Facts, Scroll, Section } from './parts.tsx';

/** On what the run ran, what it read, with which recipe. */
export function Provenance({ results }: { results: Results }) {
  const { run, environment } = results;
  return (
    <>
      <Section id="environment" title="Environment">
        <Facts
          facts={[
            ['Device', `${environment.deviceName} (${environment.device})`],
            ['Driver', environment.driver],
            ['Precision', environment.precision],
            ['ONNX Runtime', environment.onnxRuntime],
            ['Node.js', environment.node],
            ['Workers', `${count(environment.workers)}, ${environment.launcher}`],
            ['Code', <code key="code">{run.codeVersion}</code>],
            ['Container image', run.imageDigest && <code>{run.imageDigest}</code>],
            ['Labels', labelsText(run)],
            ['Workflow', <code key="workflow">{run.workflowId}</code>],
            ['Run', <code key="run">{run.runId}</code>],
            ['Finished', moment(run.finishedAt)],
          ]}
        />
      </Section>
      <Inputs results={results} />
    </>
  );
}

function Inputs({ results: { inputs, run } }: { results: Results }) {
  const objects = [
    { role: 'Weights', ...inputs.weights },
    ...(inputs.head ? [{ role: 'Head', ...inputs.head }] : []),
    { role: 'Dataset', ...inputs.dataset },
  ];
  return (
    <Section id="inputs" title="Inputs">
      <Scroll label="Table of inputs">
        <table class="inputs">
          <caption class="hidden">Objects that the run read, with their size and SHA-256</caption>
          <thead>
            <tr>
              <th scope="col" class="text">
                Input
              </th>
              <th scope="col" class="text">
                Object
              </th>
              <th scope="col">Size</th>
            </tr>
          </thead>
          <tbody>
            {objects.map((object) => (
              <tr key={object.role}>
                <th scope="row">{object.role}</th>
                <td class="text wrap">
                  <code>{object.uri}</code>
                  <small>
                    SHA-256 <code>{object.sha256}</code>
                  </small>
                  {object.versionId && (
                    <small>
                      version <code>{object.versionId}</code>
                    </small>
                  )}
                </td>
                <td>{bytes(object.sizeBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {inputs.ignoredKeys.length > 0 && (
        <details class="card">
          <summary>
            {count(inputs.ignoredKeys.length)} keys of the checkpoints that the model does not use
          </summary>
          <pre>{inputs.ignoredKeys.join('\n')}</pre>
        </details>
      )}
      <details class="card">
        <summary>Config as resolved</summary>
        <pre>{JSON.stringify(run.config, null, 2)}</pre>
      </details>
    </Section>
  );
}
