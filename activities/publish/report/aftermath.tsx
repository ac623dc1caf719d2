import type { Results } from '../../../core/config/results.ts';
import { Section } from './parts.tsx';

/** Commands that run the same again, and what they give then. */
export function Reproduce({ commands, lead }: { commands: string[]; lead: string }) {
  if (commands.length === 0) return null;
  return (
    <Section id="reproduce" title="Run it again" lead={lead}>
      {commands.map((command) => (
        <pre key={command} class="card">
          {command}
        </pre>
      ))}
    </Section>
  );
}

/** The files of the run. Links are relative to the report, so they work wherever the folder is copied. */
export function Artifacts({ results: { artifacts } }: { results: Results }) {
  const folder = artifacts.report.slice(0, artifacts.report.lastIndexOf('/') + 1);
  const files: [uri: string, what: string][] = [
    [`${folder}results.json`, 'everything on this page, for programs'],
    [artifacts.schema, 'its JSON Schema'],
    [artifacts.confusionMatrix, 'int64, little-endian, C order; rows: label, columns: prediction'],
    [artifacts.mmsegEval, 'the metrics in mmsegmentation’s own form'],
    ...artifacts.overlays.map(({ id, uri }): [string, string] => [uri, `overlay of ${id}`]),
  ];
  return (
    <Section id="artifacts" title="Files">
      <p class="small">
        In <code>{folder}</code>
      </p>
      <ul class="files">
        {files.map(([uri, what]) => (
          <li key={uri}>
            <a href={relativeHref(uri, folder)}>{uri.startsWith(folder) ? uri.slice(folder.length) : uri}</a>{' '}
            <small>{what}</small>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function relativeHref(uri: string, folder: string): string {
  if (!uri.startsWith(folder)) return uri;
  return uri.slice(folder.length).split('/').map(encodeURIComponent).join('/');
}
