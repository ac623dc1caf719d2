import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureRoom } from '../../../activities/disk-room.ts';
import type { CheckpointOnDisk } from '../../../activities/onnx/write-model.ts';
import type { TorchState } from '../../../core/checkpoint/torch-writer.ts';
import type { VitModel } from '../../../core/config/model-kinds.ts';
import { backboneState, headState, stateBytes, writeState } from '../../smoke/random-checkpoint.ts';

/** Random weights of a model's true sizes, written once: models that differ in the head share the backbone's. */
export async function randomWeights(folder: string, model: VitModel): Promise<CheckpointOnDisk[]> {
  const { taps: _, ...backbone } = model.backbone;
  return [
    await once(folder, 'backbone', backbone, backboneState(model)),
    await once(folder, 'head', model, headState(model)),
  ];
}

async function once(
  folder: string,
  name: string,
  key: unknown,
  state: TorchState,
): Promise<CheckpointOnDisk> {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  const file = path.join(folder, `${name}-${digest}.pth`);
  if (existsSync(file)) return { name, file };
  await mkdir(folder, { recursive: true });
  await ensureRoom({ folder, what: 'random weights', bytes: stateBytes(state), variable: 'TESSERA_STATE' });
  await writeState(file, state);
  return { name, file };
}
