import type { Config } from '../config/config.ts';
import { BadInput } from '../config/failures.ts';
import type { OnnxModelConfig } from '../config/onnx-model.ts';
import { elementTypeName } from '../onnx/element-types.ts';
import type { OnnxModel } from '../onnx/read-model.ts';
import type { ModelValue } from '../onnx/read-value.ts';
import type { ObjectInfo } from '../store.ts';

/** ONNX's numbers of the element types that are taken. */
const FLOAT_TYPES: Record<number, 'float32' | 'float16'> = { 1: 'float32', 10: 'float16' };
const INPUT_TYPES: Record<number, OwnModelPlan['input']['dtype']> = { ...FLOAT_TYPES, 2: 'uint8' };
const INDEX_TYPES = [2, 3, 5, 6, 7];

/** How a model is run. */
export interface OwnModelPlan {
  input: {
    name: string;
    dtype: 'float32' | 'float16' | 'uint8';
    layout: 'NCHW' | 'NHWC';
    channels: 'RGB' | 'BGR';
    sizePx: number;
  };
  /** Crops of one run; null if it takes any number. */
  batch: number | null;
  output: { name: string; dtype: 'float32' | 'float16'; layout: 'NCHW' | 'NHWC'; sidePx: number };
  classes: number;
}

/** One of a model's files, as it was when the run was planned. */
export interface OwnModelFile extends ObjectInfo {
  uri: string;
  /** As the model names it, from its own folder. */
  location: string;
}

/** A model of one's own as it was planned with, and what a worker has to fetch for it. */
export interface PlannedOwnModel {
  plan: OwnModelPlan;
  /** The model itself first, then those that its weights are in. */
  files: OwnModelFile[];
}

/** What results say of the files that a model keeps weights in; undefined if it keeps none. */
export function externalFilesOf(
  model: PlannedOwnModel | undefined,
): Omit<OwnModelFile, 'location'>[] | undefined {
  const files = model?.files.slice(1) ?? [];
  return files.length > 0 ? files.map(({ location: _, ...file }) => file) : undefined;
}

/**
 * Decides how a model of one's own is run: crops in, logits `[B, classes, side, side]` out.
 *
 * @param name of its file, for messages
 * @throws BadInput if what it takes and gives isn't what the config says, or is no segmentation: a sentence each
 */
export function planOwnModel(
  model: OnnxModel,
  config: OnnxModelConfig,
  pipeline: Pick<Config['pipeline'], 'mean' | 'std'>,
  name: string,
): OwnModelPlan {
  const refuse = (why: string) => new BadInput(`${name}: ${why}`);
  const input = planInput(model, config, refuse);
  checkPipeline(input.dtype, pipeline, refuse);
  const output = planOutput(model, config, refuse);
  const batches = [input.batch, output.batch].filter((batch) => batch !== null);
  if (new Set(batches).size > 1)
    throw refuse(
      `takes ${input.batch} images at once and gives logits of ${output.batch}: export it for one crop`,
    );
  return { input: input.plan, batch: batches[0] ?? null, output: output.plan, classes: config.classes };
}

type Refuse = (why: string) => BadInput;

function planInput({ inputs }: OnnxModel, { input }: OnnxModelConfig, refuse: Refuse) {
  const [value, ...others] = inputs;
  if (!value || others.length > 0)
    throw refuse(
      `has ${inputs.length} inputs (${inputs.map(textOf).join('; ')}); expected one: a batch of images`,
    );
  const { layout, sizePx, channels } = input;
  const dtype = INPUT_TYPES[value.elementType ?? 0];
  if (!dtype) throw refuse(`takes ${textOf(value)}; expected float32, float16 or uint8`);
  const shape = value.shape ?? [null, null, null, null];
  if (shape.length !== 4) throw refuse(`takes ${textOf(value)}; expected four dimensions, ${layout}`);
  const [channelDim, height, width] =
    layout === 'NCHW' ? [shape[1], shape[2], shape[3]] : [shape[3], shape[1], shape[2]];
  if (isFixed(channelDim) && channelDim !== 3)
    throw refuse(
      `takes ${textOf(value)}, which has ${channelDim} channels in ${layout}; expected 3 (model.input.layout is NCHW or NHWC)`,
    );
  for (const side of [height, width])
    if (isFixed(side) && side !== sizePx)
      throw refuse(
        isFixed(height) && height === width
          ? `takes images of ${height}×${width} px, but model.input.sizePx is ${sizePx}`
          : `takes ${textOf(value)}; expected square crops of model.input.sizePx ${sizePx}`,
      );
  return { plan: { name: value.name, dtype, layout, channels, sizePx }, dtype, batch: fixedOf(shape[0]) };
}

/** A model that takes bytes normalises them itself. */
function checkPipeline(
  dtype: OwnModelPlan['input']['dtype'],
  { mean, std }: Pick<Config['pipeline'], 'mean' | 'std'>,
  refuse: Refuse,
): void {
  const isIdentity = mean.every((value) => value === 0) && std.every((value) => value === 1);
  if (dtype === 'uint8' && !isIdentity)
    throw refuse(
      'takes uint8, so it normalises by itself: set pipeline.mean to [0, 0, 0] and pipeline.std to [1, 1, 1]',
    );
}

function planOutput({ outputs }: OnnxModel, { output, classes }: OnnxModelConfig, refuse: Refuse) {
  const value = chosenOutput(outputs, output.name, refuse);
  const { elementType, shape: given } = value;
  const { layout } = output;
  if (INDEX_TYPES.includes(elementType ?? 0) || given?.length === 3)
    throw refuse(
      `gives ${textOf(value)}: a class a pixel. Expected logits [batch, ${classes}, height, width]: export it without its argmax`,
    );
  const dtype = FLOAT_TYPES[elementType ?? 0];
  if (!dtype) throw refuse(`gives ${textOf(value)}; expected logits in float32 or float16`);
  const shape = given ?? [null, null, null, null];
  if (shape.length !== 4)
    throw refuse(
      `gives ${textOf(value)}; expected logits [batch, ${classes}, height, width]: a value for each pixel`,
    );
  const [found, other] = layout === 'NCHW' ? [shape[1], shape[3]] : [shape[3], shape[1]];
  if (isFixed(found) && found !== classes)
    throw refuse(
      other === classes
        ? `gives ${textOf(value)}, which has ${classes} classes in the other layout: set model.output.layout to ${layout === 'NCHW' ? 'NHWC' : 'NCHW'}`
        : `gives logits of ${found} classes, but the config has ${classes}`,
    );
  const [height, width] = layout === 'NCHW' ? [shape[2], shape[3]] : [shape[1], shape[2]];
  const sidePx = logitsSideOf(value, [height, width], output.sizePx, refuse);
  return { plan: { name: value.name, dtype, layout, sidePx }, batch: fixedOf(shape[0]) };
}

function chosenOutput(outputs: ModelValue[], name: string | undefined, refuse: Refuse): ModelValue {
  const names = outputs.map(textOf).join('; ');
  const value = name === undefined ? outputs[0] : outputs.find((output) => output.name === name);
  if (!value) throw refuse(`has no output ${name ?? ''}; it has ${names || 'none'}`);
  if (name === undefined && outputs.length > 1)
    throw refuse(
      `has ${outputs.length} outputs (${names}): name the one with the logits in model.output.name`,
    );
  return value;
}

function logitsSideOf(
  value: ModelValue,
  sides: (number | string | null | undefined)[],
  configured: number | undefined,
  refuse: Refuse,
): number {
  const [height, width] = sides.map(fixedOf);
  if (height && width && height !== width)
    throw refuse(`gives ${textOf(value)}; expected square logits of square crops`);
  const side = height ?? width ?? configured;
  if (!side)
    throw refuse(
      `gives ${textOf(value)}, which doesn't say the logits' size: set model.output.sizePx to their side`,
    );
  if (configured !== undefined && configured !== side)
    throw refuse(`gives logits of ${side} px, but model.output.sizePx is ${configured}`);
  return side;
}

function isFixed(dimension: number | string | null | undefined): dimension is number {
  return typeof dimension === 'number';
}

function fixedOf(dimension: number | string | null | undefined): number | null {
  return isFixed(dimension) ? dimension : null;
}

/** `out float32 [batch, 21, 512, 512]`. */
function textOf({ name, elementType, shape }: ModelValue): string {
  const type = elementType === null ? 'no tensor' : (elementTypeName(elementType) ?? `type ${elementType}`);
  return `${name} ${type} [${shape?.map((dimension) => dimension ?? '?').join(', ') ?? '…'}]`;
}
