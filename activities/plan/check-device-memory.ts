import type { Config } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import {
  evaluationMemory,
  largestBatch,
  memoryText,
  trainingMemory,
} from '../../core/model/device-memory.ts';

/** @throws BadInput for an evaluation whose batch doesn't fit GPUs of `run.deviceMemoryGb`, naming one that does */
export function checkDeviceMemory(config: Pick<VitConfig, 'name' | 'model' | 'run'>): void {
  const { run } = config;
  check(config, {
    key: 'run.batch',
    batch: run.batch,
    memory: (batch) => evaluationMemory({ ...config, run: { ...run, batch } }),
    remedy: 'set run.precision=bfloat16, or take GPUs with more memory',
  });
}

/**
 * Its batch is a part of a recipe, so that it is not for us to choose another one.
 *
 * @throws BadInput for a training whose step doesn't fit GPUs of `run.deviceMemoryGb` beside the trainer's own backbone
 */
export function checkTrainingMemory(config: TrainableConfig): void {
  const { train } = config;
  check(config, {
    key: 'train.batch',
    batch: train.batch,
    memory: (batch) => trainingMemory({ ...config, train: { batch } }),
    remedy: 'set run.batch lower, or take GPUs with more memory',
  });
}

interface Checked {
  key: string;
  batch: number;
  /** Bytes of a batch. */
  memory(batch: number): number;
  remedy: string;
}

function check({ name, run }: Pick<Config, 'name' | 'run'>, { key, batch, memory, remedy }: Checked): void {
  const { device, deviceMemoryGb } = run;
  if (device !== 'cuda' || deviceMemoryGb === undefined) return;
  const fits = largestBatch(batch, deviceMemoryGb * 1e9, memory);
  if (fits === batch) return;
  throw new BadInput(
    `${name}: ${key} ${batch} needs about ${memoryText(memory(batch))} of device memory, and run.deviceMemoryGb is ` +
      `${deviceMemoryGb}. ${fits > 0 ? `${key}=${fits} fits: set it, or take GPUs with more memory` : `Not even ${key}=1 fits: ${remedy}`}`,
  );
}
