import { styleText } from 'node:util';

/** Says what is going on: a line a step, and lines that move where a terminal can show them. */
export interface Terminal {
  /** What is being done now; the same step may report its progress again and again. */
  step(text: string): void;
  /** The step is done. */
  done(text: string): void;
  print(text: string): void;
  /** How far something is: moving lines on a terminal, elsewhere a plain line now and then. */
  live(view: LiveView): void;
  /** Takes away what moves: something else is printed next. */
  clear(): void;
}

export interface LiveView {
  /** For a terminal of so many columns. */
  lines(columns: number): string[];
  /** The same in one line, where nothing can move. */
  plain: string;
  /** A change of it is said at once, whatever the rate. */
  phase: string;
}

/** Says nothing. */
export const SILENT: Terminal = { step() {}, done() {}, print() {}, live() {}, clear() {} };

/** Interval of progress lines without a terminal: often enough to show progress, rarely enough for a log. */
const PLAIN_EVERY_MS = 10_000;

export function terminal(stream: NodeJS.WriteStream = process.stderr): Terminal {
  let said = { step: '', phase: '', plain: '', atMs: 0 };
  /** Lines that move, as they stand on the screen. */
  let shown = 0;
  const hasColours = Boolean(stream.isTTY && stream.hasColors());

  /** Up to the first line that moves, and everything from there on gone. */
  const erased = () => {
    const codes = stream.isTTY ? `\r${shown > 1 ? `\x1b[${shown - 1}A` : ''}\x1b[J` : '';
    shown = 0;
    return codes;
  };
  const draw = (lines: string[]) => {
    const width = Math.max(20, (stream.columns || 80) - 1);
    const fitting = lines
      .map((line) => cutEnd(line, width))
      .map((line) => (hasColours ? coloured(line) : line));
    stream.write(erased() + fitting.join('\n'));
    shown = lines.length;
  };
  const print = (text: string) => {
    stream.write(`${erased()}${text}\n`);
    said = { step: '', phase: '', plain: '', atMs: 0 };
  };

  return {
    step(text) {
      if (stream.isTTY) return draw([`▸ ${text}`]);
      // Without a terminal a step is said once, not with each of its numbers.
      const step = text.replace(/\d+/g, '');
      if (step !== said.step) stream.write(`▸ ${text}\n`);
      said.step = step;
    },
    done: (text) => print(`✓ ${text}`),
    print,
    clear() {
      if (shown > 0) stream.write(erased());
    },
    live({ lines, plain, phase }) {
      if (stream.isTTY) return draw(lines(stream.columns || 80));
      const nowMs = Date.now();
      const isDue = phase !== said.phase || nowMs - said.atMs >= PLAIN_EVERY_MS;
      if (!isDue || plain === said.plain) return;
      stream.write(`  ${plain}\n`);
      said = { ...said, phase, plain, atMs: nowMs };
    },
  };
}

/** Newer Nodes ask whether stdout has colours, which says nothing of the stream that is written to. */
const ALWAYS = { validateStream: false };

/** The bar's full part, and what goes wrong. NO_COLOR and dumb terminals have no colours: see `hasColors`. */
function coloured(line: string): string {
  if (/^\s*(slow|waiting|mended) /.test(line)) return styleText('yellow', line, ALWAYS);
  return line.replace(/█+/, (bar) => styleText('cyan', bar, ALWAYS));
}

function cutEnd(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
