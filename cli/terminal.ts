import { SingleBar } from 'cli-progress';

/** Says what is going on: a line a step, and one line that moves where a terminal can show it. */
export interface Terminal {
  /** What is being done now; the same step may report its progress again and again. */
  step(text: string): void;
  /** The step is done. */
  done(text: string): void;
  print(text: string): void;
}

/** Says nothing. */
export const SILENT: Terminal = { step() {}, done() {}, print() {} };

export function terminal(stream: NodeJS.WriteStream = process.stderr): Terminal {
  let last = '';
  const clear = () => stream.isTTY && stream.write('\r\x1b[K');
  return {
    step(text) {
      if (stream.isTTY) stream.write(`\r\x1b[K▸ ${text}`);
      // Without a terminal a step is said once, not with each of its numbers.
      else if (text.replace(/\d+/g, '') !== last) stream.write(`▸ ${text}\n`);
      last = text.replace(/\d+/g, '');
    },
    done(text) {
      clear();
      stream.write(`✓ ${text}\n`);
      last = '';
    },
    print(text) {
      clear();
      stream.write(`${text}\n`);
      last = '';
    },
  };
}

/** A bar, and text beside it; the text's numbers come from the payload. */
export function progressBar(text: string, stream: NodeJS.WriteStream = process.stderr): SingleBar {
  return new SingleBar({
    stream,
    format: `  {bar} ${text}`,
    barsize: 24,
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 2_000,
    linewrap: false,
  });
}
