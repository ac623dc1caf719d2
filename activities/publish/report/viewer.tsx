import { OVERLAY_GAP_PX } from '../../../core/image/error-map.ts';
import type { Overlay } from './overlays.tsx';

/** What can be laid beside each other; the first three in the order of an overlay's pictures. */
const LAYERS = ['image', 'truth', 'prediction', 'errors'];

/** One sample at a time, two of its layers with a divider between them. A script shows and moves it. */
export function Viewer({ overlays }: { overlays: Overlay[] }) {
  const layers = LAYERS.slice(0, overlays.some(({ errors }) => errors) ? 4 : 3);
  return (
    <div class="card viewer" data-script="viewer" data-gap={OVERLAY_GAP_PX} hidden>
      <div class="tools">
        <div class="tool">
          <button type="button" data-do="previous" aria-label="Previous sample">
            ←
          </button>
          <select aria-label="Sample" data-of="sample">
            {overlays.map(({ id }, i) => (
              <option key={id} value={i}>
                {id}
              </option>
            ))}
          </select>
          <button type="button" data-do="next" aria-label="Next sample">
            →
          </button>
        </div>
        <LayerChoice side="left" chosen="truth" layers={layers} />
        <LayerChoice side="right" chosen={layers.at(-1)!} layers={layers} />
        <div class="tool">
          <button type="button" data-do="in" aria-label="Zoom in">
            +
          </button>
          <button type="button" data-do="out" aria-label="Zoom out">
            −
          </button>
          <button type="button" data-do="reset">
            Fit
          </button>
          <output />
        </div>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset holds fields, this holds a picture */}
      <div
        class="stage"
        role="group"
        aria-label="Sample: arrow keys move the picture, plus and minus zoom, 0 fits it"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what is moved by keys must be reachable by them
        tabIndex={0}
      >
        <div class="pane" data-side="left" />
        <div class="pane" data-side="right" />
        <i class="divider" aria-hidden="true" />
      </div>
      <input
        type="range"
        min="0"
        max="100"
        step="0.5"
        value="50"
        aria-label="Divider between left and right"
      />
    </div>
  );
}

function LayerChoice({ side, chosen, layers }: { side: string; chosen: string; layers: string[] }) {
  return (
    <div class="tool">
      <span>{side}</span>
      <select data-of={side} aria-label={`Layer on the ${side}`}>
        {layers.map((layer) => (
          <option key={layer} value={layer} selected={layer === chosen}>
            {layer}
          </option>
        ))}
      </select>
    </div>
  );
}
