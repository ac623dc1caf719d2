import type { ComponentChildren } from 'preact';
import type { DatasetClasses } from '../../../core/config/config.ts';
import { rgb } from './format.ts';

/** A titled part of the page, with the sentence that says how to read it. */
export function Section(props: {
  id: string;
  title: string;
  lead?: string;
  /** Its table's rows can be filtered. */
  filter?: true;
  children: ComponentChildren;
}) {
  return (
    <section
      id={props.id}
      aria-labelledby={`${props.id}-title`}
      {...(props.filter ? { 'data-filter': 'off' } : {})}
    >
      <h2 id={`${props.id}-title`}>{props.title}</h2>
      {props.lead && <p class="lead">{props.lead}</p>}
      {props.children}
    </section>
  );
}

/** A wide table's frame: it scrolls by itself, also by keyboard, so that the page never does sideways. */
export function Scroll(props: { label: string; tall?: boolean; kind?: string; children: ComponentChildren }) {
  return (
    <section
      class={['card scroll', props.tall && 'tall', props.kind].filter(Boolean).join(' ')}
      aria-label={props.label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
    >
      {props.children}
    </section>
  );
}

/** A class's colour in the dataset's palette. */
export function Swatch({ classes, index }: { classes: DatasetClasses; index: number }) {
  return <i class="swatch" style={`background:${rgb(classes.classes[index]!.color)}`} aria-hidden="true" />;
}

/** Names with their values; nothing where the value is null. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
