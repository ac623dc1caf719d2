import type { TrainRun } from '../../core/config/train-run.ts';
import { readResults } from '../../core/read-results.ts';
import { joinUri, type Store } from '../../core/store.ts';
import {
  checkpointFolder,
  readCheckpoint,
  removeSuperfluous,
  writeCheckpoint,
} from '../../core/train/checkpoint-pointers.ts';
import { logFiles } from '../../core/train/log-files.ts';
import { epochAt } from '../../core/train/segments.ts';
import { type Evaluation, evaluationLine, readLog } from '../../core/train/train-log.ts';
import { writeLogFile } from './write-log-file.ts';

/**
 * Writes an evaluation into its checkpoint's pointer and the training's log, so that a resumed training has it, and
 * removes the checkpoints that are no longer the best. Safe to repeat. The log is written last: an evaluation that is
 * not in the log is repeated, but a best checkpoint whose pointer has no evaluation could be removed.
 *
 * @throws NotFound if the evaluation or the checkpoint does not exist
 */
export async function recordEvaluation(store: Store, run: TrainRun, evaluation: Evaluation): Promise<void> {
  const { prefix, config, dataset } = run;
  const { step } = evaluation;
  const { perClass } = await readResults(store, evaluation.resultsUri);
  const folder = checkpointFolder(prefix);
  const checkpoint = await readCheckpoint(store, joinUri(folder, `iter_${step}.json`));
  await writeCheckpoint(store, { ...checkpoint, evaluation });

  const log = await readLog(store, prefix);
  const before = log.filter(({ mode, iter = 0 }) => iter <= step && !(mode === 'val' && iter === step));
  const lr = Number(before.findLast(({ mode }) => mode === 'train')?.lr ?? 0);
  const epoch = epochAt(step - 1, config.train.batch, dataset.images);
  const lines = [...before, evaluationLine(evaluation, perClass, { epoch, lr })];
  for (const file of logFiles(prefix, lines, config)) await writeLogFile(store, file);

  await removeSuperfluous(store, folder);
}
