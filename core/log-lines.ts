/** A worker's line with the time in front, as Kubernetes gives it and local workers write it. */
const TIMED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) (.*)$/s;

export interface LogLine {
  /** ISO 8601, UTC; null where the line has none. */
  time: string | null;
  line: string;
}

export function parseLogLine(text: string): LogLine {
  const [, time, line] = TIMED.exec(text) ?? [];
  return time === undefined ? { time: null, line: text } : { time, line: line ?? '' };
}

/** The same lines as the worker said them. */
export function withoutTimes(lines: string[]): string[] {
  return lines.map((text) => parseLogLine(text).line);
}
