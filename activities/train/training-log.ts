import os from 'node:os';
import type { StepLog } from '../../core/config/train.ts';
import type { TrainRun } from '../../core/config/train-run.ts';
import type { Store } from '../../core/store.ts';
import type { Checkpoint } from '../../core/train/checkpoint-pointers.ts';
import { type LogFile, logFiles } from '../../core/train/log-files.ts';
import { epochAt } from '../../core/train/segments.ts';
import {
  addToWindow,
  EMPTY_WINDOW,
  type LogLine,
  type LogWindow,
  readLog,
  type TrainRecord,
  trainRecord,
  upTo,
} from '../../core/train/train-log.ts';
import { trainedText } from '../../core/train/trainable.ts';

/** Number of latest steps that the speed is measured over. */
const SPEED_STEPS = 20;

type StepSeconds = Parameters<typeof addToWindow>[2];

/** A training's log, as it is written with the next checkpoint. */
export interface TrainingLog {
  /** Adds a step. @returns the line that the step completes, if any */
  add(figures: StepLog, seconds: StepSeconds, featureWorkers: number): TrainRecord | null;
  /** Steps done before this log was opened. */
  firstStep(): number;
  step(): number;
  epoch(): number;
  /** Mean over the latest steps. */
  secondsPerStep(): number;
  /** Figures of the steps since the last line. */
  window(): LogWindow;
  files(): LogFile[];
}

/** The log of the run so far, up to the checkpoint that it resumes from. */
export async function openTrainingLog(
  store: Store,
  run: TrainRun,
  from: Checkpoint | null,
): Promise<TrainingLog> {
  const { config, dataset } = run;
  const { train } = config;
  const firstStep = from?.step ?? 0;
  const earlier = upTo(await readLog(store, run.prefix), firstStep);
  const lines: LogLine[] = earlier.length > 0 ? earlier : [header(run)];
  const times: number[] = [];
  let window = from?.logWindow ?? EMPTY_WINDOW;
  let step = firstStep;
  // The epoch of a step is that of its first sample.
  const epoch = () => epochAt(Math.max(0, step - 1), train.batch, dataset.images);
  return {
    add(figures, seconds, featureWorkers) {
      step = figures.step;
      times.push(seconds.time);
      if (times.length > SPEED_STEPS) times.shift();
      window = addToWindow(window, figures, seconds);
      if (step % train.logEvery !== 0) return null;
      const record = trainRecord(window, figures, { epoch: epoch(), feature_workers: featureWorkers });
      window = EMPTY_WINDOW;
      lines.push(record);
      return record;
    },
    firstStep: () => firstStep,
    step: () => step,
    epoch,
    secondsPerStep: () => times.reduce((sum, time) => sum + time, 0) / times.length,
    window: () => window,
    files: () => logFiles(run.prefix, lines, config),
  };
}

function header({ config, codeVersion }: TrainRun): LogLine {
  return {
    env_info: `Node ${process.versions.node}, ${os.platform()} ${os.arch()}, ${os.availableParallelism()} threads`,
    seed: config.train.seed,
    exp_name: config.name,
    started_at: new Date().toISOString(),
    tessera_version: codeVersion,
    trained: trainedText(config),
    config: JSON.stringify(config),
  };
}
