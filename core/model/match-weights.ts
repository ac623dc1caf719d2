import type { CheckpointIndex, IndexedTensor } from '../checkpoint/checkpoint-index.ts';
import { knownForm } from '../checkpoint/known-forms.ts';
import { BadInput } from '../config/failures.ts';
import type { VitModel } from '../config/model-kinds.ts';
import { blockOf, namingOf, vitOf } from './backbone.ts';
import { modelSpecs } from './model-specs.ts';
import { tensorNames } from './tensor-names.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { NamingName } from './vit.ts';
import { POSITION_EMBEDDING, pretrainedPositionShape } from './vit-tensors.ts';

/** A tensor of the model and the checkpoint that holds it. */
export interface WeightSource {
  spec: TensorSpec;
  file: CheckpointIndex;
  tensor: IndexedTensor;
}

export interface MatchedWeights {
  /** By the model's name of a tensor. One that a checkpoint holds in parts is there as its parts. */
  sources: Map<string, WeightSource>;
  /** Whose names the backbone's checkpoint has. */
  naming: NamingName;
  /** Keys that no part of the model has, as the original ignores them. Blocks behind the last tap are its own. */
  ignoredKeys: string[];
}

/**
 * Finds each tensor of a model in its checkpoints, or says what is missing or misshapen.
 *
 * @param files the backbone's checkpoint, then what lies over it: a head's, or none if the first holds all.
 *   A later file wins where both have a key, as mmseg loads one after the other.
 * @param specs the tensors to be found: all that the model reads, or a part of it
 * @throws BadInput naming the key, what was expected, and what was found
 * @see InternVL `InternViT6B.init_weights`, mmcv `load_checkpoint(strict=False)`; unlike there,
 *   a missing key is an error: random weights in its place would give a number that means nothing
 */
export function matchWeights(
  files: CheckpointIndex[],
  model: VitModel,
  specs: TensorSpec[] = modelSpecs(model),
): MatchedWeights {
  const found = new Map<string, { file: CheckpointIndex; tensor: IndexedTensor }>();
  const names = new Map(files.map((file) => [file, tensorNames(file.tensors.keys(), model)]));
  for (const file of files)
    for (const tensor of file.tensors.values()) found.set(names.get(file)!(tensor.name), { file, tensor });

  const present = specs.flatMap((spec) => asFound(spec, found));
  const missing = present.filter((spec) => !found.has(spec.name));
  if (missing.length > 0) {
    const where = files.map((file) => file.name).join(' + ');
    const first = missing.slice(0, 3).map((spec) => `${spec.name} [${spec.shape.join(', ')}]`);
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
    const why = missing.length === present.length ? noneFits(files) : whyMissing(files, missing, names);
    throw new BadInput(`${where}: missing ${first.join(', ')}${more}. The config's model needs them; ${why}`);
  }
  const sources = new Map<string, WeightSource>();
  for (const spec of present) {
    const source = { spec, ...found.get(spec.name)! };
    if (!fits(source, model)) {
      throw new BadInput(
        `${source.file.name}: ${source.tensor.name} has shape [${source.tensor.shape.join(', ')}], ` +
          `but the config's model needs [${spec.shape.join(', ')}]${positionHint(spec, model)}`,
      );
    }
    sources.set(spec.name, source);
  }
  const ignored = [...found].filter(([key]) => !sources.has(key) && !isLaterBlock(key, model));
  const naming = namingOf(
    model.backbone,
    files.flatMap(({ tensors }) => [...tensors.keys()]),
  ).name;
  return { sources, naming, ignoredKeys: ignored.map(([, { tensor }]) => tensor.name) };
}

/** A tensor in the form that the checkpoints hold it in: whole, in parts, or, where a model can do without, not at all. */
function asFound(spec: TensorSpec, found: { has(name: string): boolean }): TensorSpec[] {
  if (found.has(spec.name)) return [spec];
  if (spec.isOptional) return [];
  return spec.parts?.some(({ name }) => found.has(name)) ? spec.parts : [spec];
}

/** Keys that a message shows of a checkpoint none of whose names fits. */
const SHOWN_KEYS = 5;

function noneFits(files: CheckpointIndex[]): string {
  const keys = files.flatMap((file) => [...file.tensors.keys()]);
  const form = knownForm(
    keys,
    files.flatMap((file) => file.topLevelKeys),
  );
  const more = keys.length > SHOWN_KEYS ? ` and ${keys.length - SHOWN_KEYS} more` : '';
  return `there are ${keys.slice(0, SHOWN_KEYS).join(', ')}${more}. ${form ?? 'Is this the right checkpoint?'}`;
}

function whyMissing(
  files: CheckpointIndex[],
  missing: TensorSpec[],
  names: Map<CheckpointIndex, (key: string) => string>,
): string {
  for (const file of files)
    for (const [key, what] of file.unreadable)
      if (missing.some(({ name }) => name === names.get(file)!(key)))
        return `${key} of ${file.name} is ${what}: convert it to a dense float tensor and save it again`;
  return `is this the right checkpoint${files.length === 1 ? ', or is the head in a file of its own' : ''}?`;
}

function isLaterBlock(name: string, { backbone }: VitModel): boolean {
  const block = blockOf(name);
  return block !== undefined && block > Math.max(...backbone.taps) && block < backbone.depth;
}

function fits({ spec, tensor }: WeightSource, model: VitModel): boolean {
  if (equalShapes(spec.shape, tensor.shape)) return true;
  const pretrained = pretrainedPositionShape(vitOf(model.backbone));
  return spec.name === POSITION_EMBEDDING && pretrained !== null && equalShapes(pretrained, tensor.shape);
}

function equalShapes(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function positionHint(spec: TensorSpec, model: VitModel): string {
  if (spec.name !== POSITION_EMBEDDING) return '';
  return ` (the crop's grid) or [${pretrainedPositionShape(vitOf(model.backbone))!.join(', ')}] (pre-training's grid, to be resized)`;
}
