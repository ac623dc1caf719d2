import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

/** A session that somebody has opened on CUDA. */
export interface TracedSession {
  /** The product's file that opened it. */
  caller: string;
  /** Its ONNX file, and where that one's external data lies. */
  model: string;
  data: string | null;
  /** Why it could not be opened. */
  failure: string | null;
  runs: TracedRun[];
}

export interface TracedRun {
  /** Bytes by name. */
  inputs: Record<string, number>;
  outputs: Record<string, number>;
  /** What the fake CUDA was asked for, each as its words: `['L', kernel, …]`. See fake_cuda.c. */
  calls: string[][];
}

/** Where the trace of this process ends now. */
export function traceEnd(): number {
  return existsSync(traceFile()) ? statSync(traceFile()).size : 0;
}

/** What this process has done on the fake CUDA since then: the sessions that were opened, in their order. */
export function readTrace(from: number): TracedSession[] {
  const sessions = new Map<string, TracedSession>();
  /** By thread: each is at one run at a time. */
  const running = new Map<string, TracedRun>();
  for (const line of linesFrom(from)) {
    const [thread, kind] = line.split(' ', 2) as [string, string];
    const json = () => JSON.parse(line.slice(line.indexOf('{')));
    if (kind === 'O') {
      const { session, caller, model, data } = json();
      sessions.set(session, { caller, model, data, failure: null, runs: [] });
    } else if (kind === 'X') {
      const { session, message } = json();
      sessions.get(session)!.failure = message;
    } else if (kind === 'R') {
      const { session, inputs } = json();
      const run: TracedRun = { inputs, outputs: {}, calls: [] };
      sessions.get(session)!.runs.push(run);
      running.set(thread, run);
    } else if (kind === 'E') {
      const run = running.get(thread);
      if (run) run.outputs = json().outputs;
      running.delete(thread);
    } else running.get(thread)?.calls.push(line.split(' ').slice(1));
  }
  return [...sessions.values()];
}

/** What this process has asked of the fake CUDA since then, by whoever, each as its words. */
export function readCalls(from: number): string[][] {
  return linesFrom(from)
    .filter((line) => !line.includes('{') && line !== '')
    .map((line) => line.split(' ').slice(1));
}

/** Sizes of copies from one place to another, such as from `pageable` to `device`. */
export function copies({ calls }: Pick<TracedRun, 'calls'>, from: string, to: string): number[] {
  return calls
    .filter((call) => call[0] === 'C' && call[3] === from && call[4] === to)
    .map((call) => Number(call[5]));
}

function traceFile(): string {
  return path.join(process.env.FAKE_CUDA_TRACE!, String(process.pid));
}

function linesFrom(from: number): string[] {
  const bytes = Buffer.alloc(traceEnd() - from);
  const file = openSync(traceFile(), 'r');
  readSync(file, bytes, 0, bytes.length, from);
  closeSync(file);
  return bytes.toString().split('\n');
}

/** Watches how many bytes of the device are taken, from now on. */
export function deviceMemory(): { now(): number; peak(): number } {
  const from = traceEnd();
  const levels = () =>
    linesFrom(from)
      .map((line) => line.split(' '))
      .filter(([, kind, , level]) => (kind === 'M' || kind === 'F') && level !== 'REFUSED')
      .map(([, , , level]) => Number(level));
  return { now: () => levels().at(-1) ?? 0, peak: () => levels().reduce((a, b) => Math.max(a, b), 0) };
}
