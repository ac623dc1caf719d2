import type { Results } from '../../../core/config/results.ts';
import { folderOf, joinUri } from '../../../core/store.ts';
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

/** How to find out whether this run is better or worse than another one. Partial results can't be compared. */
export function CompareWith({ results: { run, partial } }: { results: Results }) {
  if (partial) return null;
  return (
    <Section
      id="compare"
      title="Compare"
      lead="Better or worse than another run on the same images? Per class, with intervals, as a page of its own."
    >
      <pre class="card">npx tessera compare OTHER {run.workflowId} --html comparison.html</pre>
    </Section>
  );
}

/** The files of an evaluation. */
export function Artifacts({ results: { artifacts } }: { results: Results }) {
  const files: [uri: string, what: string][] = [
    [joinUri(folderOf(artifacts.report), 'results.json'), 'everything on this page, for programs'],
    [artifacts.schema, 'its JSON Schema'],
    [artifacts.confusionMatrix, 'int64, little-endian, C order; rows: label, columns: prediction'],
    ...(artifacts.perImage
      ? [[artifacts.perImage.uri, 'the confusion matrix of each image'] satisfies [string, string]]
      : []),
    [artifacts.mmsegEval, 'the metrics in mmsegmentation’s own form'],
    ...artifacts.overlays.map(({ id, uri }): [string, string] => [uri, `overlay of ${id}`]),
  ];
  return <Files page={artifacts.report} files={files} />;
}

/** A run's files, and what each is. */
export function Files({ page, files }: { page: string; files: [uri: string, what: string][] }) {
  const folder = `${folderOf(page)}/`;
  return (
    <Section id="artifacts" title="Files">
      <p class="small">
        In <code>{folder}</code>
      </p>
      <ul class="files">
        {files.map(([uri, what]) => (
          <li key={what}>
            <a href={relativeHref(uri, page) ?? uri}>
              {uri.startsWith(folder) ? uri.slice(folder.length) : uri}
            </a>{' '}
            <small>{what}</small>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** From a page to a file of its folder, so that links work wherever that is copied; null for one elsewhere. */
export function relativeHref(uri: string, page: string): string | null {
  const folder = `${folderOf(page)}/`;
  if (!uri.startsWith(folder)) return null;
  return uri.slice(folder.length).split('/').map(encodeURIComponent).join('/');
}
