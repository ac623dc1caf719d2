import { setImmediate } from 'node:timers/promises';
import type { StateSource } from '../../core/config/train.ts';
import type { TrainableConfig, TrainRun } from '../../core/config/train-run.ts';
import { backboneSpecs, vitOf } from '../../core/model/backbone.ts';
import { headSpecs } from '../../core/model/head.ts';
import { matchWeights } from '../../core/model/match-weights.ts';
import { rotaryPeriods } from '../../core/model/rotary-embedding.ts';
import { ROPE_PERIODS } from '../../core/model/vit-tensors.ts';
import { tensorReader } from '../../core/model/weights.ts';
import { initialTensor } from '../../core/train/initial-head.ts';
import { trainsBackbone } from '../../core/train/trainable.ts';
import { openOnDisk } from '../onnx/write-model.ts';
import type { FeatureContext } from './feature-source.ts';

/** Reads a tensor of a backbone as a training begins with it, float32. */
export type BackboneReader = (name: string) => Promise<Float32Array>;

/** A run's state before the first step: heads by the seed, and what trains of the backbone by its checkpoint. */
export async function initialState(
  context: FeatureContext,
  run: TrainRun,
  signal: AbortSignal,
): Promise<StateSource> {
  const { config } = run;
  const { model, train } = config;
  const backbone = trainsBackbone(config) ? openBackbone(context, run, signal) : null;
  return {
    step: 0,
    async *tensors() {
      if (backbone) for (const { name } of backboneSpecs(model)) yield { name, data: await backbone(name) };
      for (const spec of headSpecs(model)) {
        const pieces = initialTensor(spec, train.seed);
        for (let piece = pieces.next(); ; piece = pieces.next()) {
          if (piece.done) {
            yield { name: spec.name, data: piece.value };
            break;
          }
          // Heartbeats are sent between pieces.
          await setImmediate();
        }
      }
    },
  };
}

/**
 * The tensors of a run's backbone. Its checkpoint is fetched when the first is read.
 *
 * @throws when one is read, as `fetch` and `matchWeights`
 */
export function openBackbone(
  { fetch }: FeatureContext,
  { config, weights }: Pick<TrainRun, 'config' | 'weights'>,
  signal: AbortSignal,
): BackboneReader {
  const { model } = config;
  const specs = new Map(backboneSpecs(model).map((spec) => [spec.name, spec]));
  const open = async () => {
    const fetched = await fetch(weights, { model, signal });
    const file = await openOnDisk({ name: weights.uri, ...fetched }, '/');
    return tensorReader(matchWeights([file.index], model, [...specs.values()]), [file], model);
  };
  let opened: ReturnType<typeof open> | null = null;
  return async (name) => {
    opened ??= open();
    const read = await opened;
    return (await read(specs.get(name)!)) ?? absent(config, name);
  };
}

/** What graphs of a rotary backbone are built with. */
export async function rotaryConstants(
  config: TrainableConfig,
  backbone: BackboneReader,
): Promise<Map<string, Float32Array>> {
  const isRotary = vitOf(config.model.backbone).position.type === 'rotary';
  if (!isRotary || !trainsBackbone(config)) return new Map();
  return new Map([[ROPE_PERIODS, await backbone(ROPE_PERIODS)]]);
}

/** A tensor that a checkpoint may do without. */
function absent({ model }: TrainableConfig, name: string): Float32Array {
  const { position, embedDim, heads } = vitOf(model.backbone);
  if (name !== ROPE_PERIODS || position.type !== 'rotary') throw new Error(`${name} is in no checkpoint`);
  return rotaryPeriods(position.theta, embedDim / heads);
}
