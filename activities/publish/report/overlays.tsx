import type { DatasetClasses } from '../../../core/config/config.ts';
import type { Results } from '../../../core/config/results.ts';
import { Section, Swatch } from './parts.tsx';
import { Viewer } from './viewer.tsx';

const LEGEND_SHOWN = 24;

export interface Overlay {
  id: string;
  /** Image, truth and prediction beside each other. */
  dataUri: string;
  /** Laid over the image: where the prediction is wrong. Null if an earlier version's worker made none. */
  errors: string | null;
}

/** Image, truth and prediction of some images, with a legend of the classes that occur, the largest first. */
export function Overlays(props: { overlays: Overlay[]; results: Results; classes: DatasetClasses }) {
  if (props.overlays.length === 0) return null;
  const present = props.results.perClass
    .filter((row) => row.labelPixels + row.predictedPixels > 0)
    .sort((a, b) => b.labelPixels - a.labelPixels)
    .map((row) => row.class);
  const rest = present.slice(LEGEND_SHOWN);
  return (
    <Section id="overlays" title="Samples" lead={leadOf(props.overlays)}>
      <Viewer overlays={props.overlays} />
      <Legend indices={present.slice(0, LEGEND_SHOWN)} classes={props.classes} />
      {rest.length > 0 && (
        <details class="more">
          <summary>{rest.length} more classes</summary>
          <Legend indices={rest} classes={props.classes} />
        </details>
      )}
      <div class="overlays">
        {props.overlays.map(({ id, dataUri, errors }) => (
          <figure key={id}>
            <img
              src={dataUri}
              alt={`${id}: image, truth and prediction`}
              decoding="async"
              {...(errors ? { 'data-errors': errors } : {})}
            />
            <figcaption>
              <span>image</span>
              <span>truth</span>
              <span>prediction</span>
              <b>{id}</b>
            </figcaption>
          </figure>
        ))}
      </div>
    </Section>
  );
}

function leadOf(overlays: Overlay[]): string {
  const pictures = 'Each from left to right: image, truth, prediction.';
  return overlays.some(({ errors }) => errors)
    ? `${pictures} Errors are red where the prediction is wrong, and dark where there is no label.`
    : pictures;
}

function Legend({ indices, classes }: { indices: number[]; classes: DatasetClasses }) {
  return (
    <ul class="legend">
      {indices.map((index) => (
        <li key={index}>
          <Swatch classes={classes} index={index} />
          {classes.classes[index]!.name.trim()}
        </li>
      ))}
    </ul>
  );
}
