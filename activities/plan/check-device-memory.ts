import { BadInput } from '../../core/config/failures.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { evaluationMemory, largestBatch, memoryText } from '../../core/model/device-memory.ts';

/** @throws BadInput for an evaluation whose batch doesn't fit GPUs of `run.deviceMemoryGb`, naming one that does */
export function checkDeviceMemory(config: Pick<VitConfig, 'name' | 'model' | 'run'>): void {
  const { name, run } = config;
  const { batch, device, deviceMemoryGb } = run;
  if (device !== 'cuda' || deviceMemoryGb === undefined) return;
  const memory = (crops: number) => evaluationMemory({ ...config, run: { ...run, batch: crops } });
  const fits = largestBatch(batch, deviceMemoryGb * 1e9, memory);
  if (fits === batch) return;
  throw new BadInput(
    `${name}: run.batch ${batch} needs about ${memoryText(memory(batch))} of device memory, and run.deviceMemoryGb is ` +
      `${deviceMemoryGb}. ${fits > 0 ? `run.batch=${fits} fits: set it, or take GPUs with more memory` : 'Not even run.batch=1 fits: set run.precision=bfloat16, or take GPUs with more memory'}`,
  );
}
