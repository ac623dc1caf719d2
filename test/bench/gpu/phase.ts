import type { Device } from '../../../core/config/config.ts';

/** A part of the benchmark: a process of its own, so that a fault of the GPU costs nothing else. */
export interface Phase {
  name: string;
  /** What it may take; what it has measured by then is kept. */
  seconds: number;
  env?: Record<string, string>;
  /** Runs only with `--golden`. */
  needsGolden?: true;
  run(bench: Bench): Promise<void>;
}

export interface Bench {
  device: Device;
  /** Crops of a batch, one after the other, at full size. */
  batches: number[];
  /** The median of so many runs counts. */
  passes: number;
  /** Images of the demo's set that are evaluated. */
  images: number;
  /** Whether full-size configs are narrowed, to see that they run through. */
  small: boolean;
  /** Of full-size configs. */
  overrides: string[];
  /** A folder of golden data with trainings of every parameter, if one is given. */
  golden: string | null;
  /** Of weights that several phases share; removed at the end. */
  folder: string;
  /** Keeps a figure at once, for the JSON and as text. */
  record(row: Record<string, unknown>, line: string): void;
}

/** What a phase's process sends. */
export type FromPhase =
  | { type: 'row'; row: Record<string, unknown>; line: string }
  | { type: 'failed'; message: string };

export interface PhaseReport {
  name: string;
  status: 'running' | 'done' | 'failed' | 'out of time' | 'not started';
  seconds: number;
  error: string | null;
  rows: Record<string, unknown>[];
  lines: string[];
}
