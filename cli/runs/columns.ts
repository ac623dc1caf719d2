export interface Column<T> {
  head: string;
  text(row: T): string;
  align?: 'right';
  /** Where the terminal is too narrow, the column of the lowest rank is dropped first. Those without one stay. */
  rank?: number;
}

const GAP = '  ';

/**
 * Rows as plain columns, as kubectl prints them: no frames, so that a pipe can cut them.
 *
 * @param width of the terminal; what does not fit loses columns by rank. Without one nothing is dropped
 */
export function columnsText<T>(columns: Column<T>[], rows: T[], width = Number.POSITIVE_INFINITY): string {
  let shown = columns;
  for (;;) {
    const widths = shown.map(({ head, text }) =>
      Math.max(head.length, ...rows.map((row) => text(row).length)),
    );
    const total = widths.reduce((sum, size) => sum + size, 0) + GAP.length * (shown.length - 1);
    const ranked = shown.filter(({ rank }) => rank !== undefined).sort((a, b) => a.rank! - b.rank!);
    if (total <= width || ranked.length === 0) return render(shown, rows, shorten(widths, total - width));
    shown = shown.filter((column) => column !== ranked[0]);
  }
}

/** Takes what is too much from the first column, down to a readable rest. */
function shorten(widths: number[], excess: number): number[] {
  const [first = 0, ...rest] = widths;
  return excess > 0 ? [Math.max(12, first - excess), ...rest] : widths;
}

function render<T>(columns: Column<T>[], rows: T[], widths: number[]): string {
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (columns[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(GAP)
      .trimEnd();
  return [
    line(columns.map(({ head }) => head)),
    ...rows.map((row) => line(columns.map(({ text }, i) => cut(text(row), widths[i]!)))),
  ].join('\n');
}

/** A text in so many characters: its middle is left out, for ids differ at both ends. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${tail > 0 ? text.slice(-tail) : ''}`;
}
