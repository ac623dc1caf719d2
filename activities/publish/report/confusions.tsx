import type { DatasetClasses } from '../../../core/config/config.ts';
import type { ConfusionMatrix } from '../../../core/metric/confusion-matrix.ts';
import { type Confusion, confusedClasses, worstConfusions } from '../../../core/metric/worst-confusions.ts';
import { count, percent } from './format.ts';
import { Scroll, Section, Swatch } from './parts.tsx';

const CLASSES_SHOWN = 16;
const PAIRS_SHOWN = 15;
/** Cells below this share stay without a number: 0 would be said too often. */
const LEAST_SHARE_SHOWN = 0.005;

/** What was taken for what: a heat map of the classes in the worst confusions, and the worst ones in words. */
export function Confusions({ matrix, classes }: { matrix: ConfusionMatrix; classes: DatasetClasses }) {
  const confusions = worstConfusions(matrix);
  const shown = confusedClasses(confusions, CLASSES_SHOWN);
  if (confusions.length === 0) {
    return (
      <Section id="confusions" title="Worst confusions">
        <p>No labelled pixel was taken for another class.</p>
      </Section>
    );
  }
  return (
    <Section
      id="confusions"
      title="Worst confusions"
      lead="The pairs that cost the most pixels, and the classes in them. Numbers in the grid are percent of the row’s label; its diagonal is what was right."
    >
      <div class="beside">
        <HeatMap matrix={matrix} classes={classes} shown={shown} />
        <ol class="pairs">
          {confusions.slice(0, PAIRS_SHOWN).map((confusion) => (
            <Pair
              key={`${confusion.label} ${confusion.prediction}`}
              confusion={confusion}
              classes={classes}
            />
          ))}
        </ol>
      </div>
    </Section>
  );
}

function Pair({ confusion, classes }: { confusion: Confusion; classes: DatasetClasses }) {
  const { label, prediction, pixels, shareOfLabel } = confusion;
  const name = nameOf(classes, label);
  return (
    <li>
      <Swatch classes={classes} index={label} />
      {name} → <Swatch classes={classes} index={prediction} />
      {nameOf(classes, prediction)}
      <small>
        {percent(shareOfLabel, 1)} % of {name}’s pixels, {count(pixels)} px
      </small>
    </li>
  );
}

function HeatMap(props: { matrix: ConfusionMatrix; classes: DatasetClasses; shown: number[] }) {
  const { matrix, classes, shown } = props;
  const rows = shown.map((label) => {
    const row = matrix.counts.subarray(label * matrix.classes, (label + 1) * matrix.classes);
    const labelPixels = row.reduce((sum, pixels) => sum + pixels, 0);
    return { label, shares: shown.map((prediction) => (labelPixels ? row[prediction]! / labelPixels : 0)) };
  });
  return (
    <Scroll label="Heat map of confusions" kind="heat">
      <table>
        <caption class="hidden">
          Share of each label (rows) that was predicted as each class (columns), percent
        </caption>
        <thead>
          <tr>
            <td class="corner">
              prediction →<br />
              label ↓
            </td>
            {shown.map((prediction) => (
              <th key={prediction} scope="col">
                <span title={nameOf(classes, prediction)}>
                  <Swatch classes={classes} index={prediction} /> {nameOf(classes, prediction)}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ label, shares }) => (
            <tr key={label}>
              <th scope="row" title={nameOf(classes, label)}>
                {nameOf(classes, label)} <Swatch classes={classes} index={label} />
              </th>
              {shares.map((share, column) => (
                <HeatCell key={shown[column]!} share={share} right={shown[column] === label} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function HeatCell({ share, right }: { share: number; right: boolean }) {
  // A square root, because most confusions are a few percent and would look alike; and twice the
  // strength for what is wrong, since more than half of a class is seldom taken for one other.
  const shade = right ? Math.sqrt(share) : Math.sqrt(Math.min(1, 2 * share));
  return (
    <td class={right ? 'right' : undefined} style={`--v:${shade.toFixed(2)}`}>
      {share < LEAST_SHARE_SHOWN ? '' : percent(share, 0)}
    </td>
  );
}

function nameOf(classes: DatasetClasses, index: number): string {
  return classes.classes[index]!.name.trim();
}
