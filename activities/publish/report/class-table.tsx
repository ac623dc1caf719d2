import type { DatasetClasses } from '../../../core/config/config.ts';
import type { Results } from '../../../core/config/results.ts';
import type { Share } from '../../../core/metric/metrics.ts';
import { CopyAs } from './copy-as.tsx';
import { classesTable } from './copy-text.ts';
import { count, percent } from './format.ts';
import { Scroll, Section, Swatch } from './parts.tsx';

const COLUMNS = ['#', 'Class', 'IoU', 'Acc', 'Label %', 'Label pixels', 'Predicted pixels'];

/** All classes, sortable by any column: `sortable n-last` are the words that sortable-tablesort reads. */
export function ClassTable({ results, classes }: { results: Results; classes: DatasetClasses }) {
  const { perClass, coverage } = results;
  const empty = perClass.filter(({ IoU }) => IoU === null).length;
  const lead =
    empty === 0
      ? `All ${perClass.length} classes occur. Choose a column’s name to sort by it.`
      : `${empty} of ${perClass.length} classes occur neither in labels nor in predictions: they are nan, and left out of the means. Choose a column’s name to sort by it.`;
  return (
    <Section id="classes" title="Classes" lead={lead} filter>
      <div class="tools">
        <div class="tool" data-script="filter" hidden>
          <input type="search" placeholder="Filter by name" aria-label="Filter classes by name" />
          <output />
        </div>
        {empty > 0 && (
          <label class="tool">
            <input type="checkbox" class="unfold" /> Show {count(empty)} without a value
          </label>
        )}
        <CopyAs id="classes-as" what="all classes" table={classesTable(results)} />
      </div>
      <Scroll label="Table of all classes" tall>
        <table class="sortable n-last asc classes">
          <caption class="hidden">IoU, Acc and pixels of every class, IoU and Acc in percent</caption>
          <thead>
            <tr>
              {COLUMNS.map((name) => (
                <th key={name} scope="col" class={name === 'Class' ? 'text' : undefined}>
                  <button type="button">{name}</button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {perClass.map((row) => (
              <tr key={row.class} class={row.IoU === null ? 'folded' : undefined}>
                <td class="muted">{row.class}</td>
                <th scope="row">
                  <Swatch classes={classes} index={row.class} />
                  {row.name.trim()}
                </th>
                <ShareCell share={row.IoU} />
                <ShareCell share={row.Acc} />
                <td data-sort={row.labelPixels}>
                  {coverage.labelledPixels === 0 ? 'nan' : percent(row.labelPixels / coverage.labelledPixels)}
                </td>
                <td data-sort={row.labelPixels}>{count(row.labelPixels)}</td>
                <td data-sort={row.predictedPixels}>{count(row.predictedPixels)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function ShareCell({ share }: { share: Share }) {
  if (share === null) {
    return (
      <td data-sort="" class="muted bar">
        nan
      </td>
    );
  }
  return (
    <td data-sort={share} class="bar" style={`--v:${share.toFixed(3)}`}>
      {percent(share)}
    </td>
  );
}
