/** From when to when, in milliseconds of a clock that all threads share. */
export interface Span {
  start: number;
  end: number;
}

/**
 * For how long two threads have been at work at the same time. Each one's spans come in their order, but the two reports
 * don't: what one has done is often heard of after what the other did later.
 */
export class Overlap {
  #graph: Span[] = [];
  #stitch: Span[] = [];
  seconds = 0;

  addGraph(span: Span): void {
    this.#graph.push(span);
    this.#stitch = this.#count(span, this.#stitch);
  }

  addStitch(span: Span): void {
    this.#stitch.push(span);
    this.#graph = this.#count(span, this.#graph);
  }

  /** Adds what a span shares with the others', and gives those that a later span may still share time with. */
  #count({ start, end }: Span, others: Span[]): Span[] {
    for (const other of others)
      this.seconds += Math.max(0, Math.min(end, other.end) - Math.max(start, other.start)) / 1000;
    // Spans of one thread don't overlap: the next one starts after this one has ended.
    return others.filter((other) => other.end > end);
  }
}
