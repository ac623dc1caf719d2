import type { z } from 'zod';
import { isWide } from '../image/label-map.ts';
import { MAX_CLASSES } from '../metric/confusion-matrix.ts';
import { vitOf } from '../model/backbone.ts';
import { headType } from '../model/head.ts';
import { type Config, ConfigSchema, type DatasetConfig, type Device, type Precision } from './config.ts';
import { didYouMean } from './did-you-mean.ts';
import { BadInput } from './failures.ts';
import { classesKey, classesOf, cropPxOf, isVit, type VitConfig } from './model-kinds.ts';
import { trainProblems } from './train-problems.ts';

/**
 * Checks a config: its form by the schema, then what fields say about one another.
 *
 * @param where names the file or input in messages
 * @throws BadInput naming each wrong field, what it is, and what it should be
 */
export function parseConfig(value: unknown, where: string): Config {
  const config = parseAs(ConfigSchema, withPrecision(value), where);
  const { model, run } = config;
  const { test } = model;
  const { classes } = config.dataset;
  const key = classesKey(model);
  const problems = [
    ...(isVit(config) ? vitProblems(config) : []),
    classesOf(model) > MAX_CLASSES && `${key} is ${classesOf(model)}; at most ${MAX_CLASSES} are counted`,
    ...labelProblems(config),
    typeof classes !== 'string' &&
      listed(classes).length !== classesOf(model) &&
      `dataset.classes lists ${listed(classes).length}, but ${key} is ${classesOf(model)}`,
    test.mode === 'slide' &&
      test.cropPx !== cropPxOf(model) &&
      `model.test.cropPx is ${test.cropPx}, but ${isVit(config) ? 'the backbone takes imageSizePx' : 'model.input.sizePx is'} ${cropPxOf(model)}`,
    test.mode === 'slide' &&
      test.stridePx > test.cropPx &&
      `model.test.stridePx is ${test.stridePx}, more than cropPx ${test.cropPx}: pixels between windows would be left out`,
    run.device === 'cpu' &&
      run.precision !== 'float32' &&
      `run.precision is ${run.precision}, but ONNX Runtime's CPU kernels compute in float32 (run.precision=float32)`,
    run.budget?.money !== undefined &&
      run.pricePerWorkerHour === 0 &&
      `run.budget.money is ${run.budget.money}, but run.pricePerWorkerHour is 0: give a price, or run.budget.workerHours`,
    ...(isVit(config) ? trainProblems(config) : []),
  ].filter((problem) => problem !== false);
  if (problems.length > 0) throw new BadInput(problems.map((problem) => `${where}: ${problem}`).join('\n'));
  return config;
}

/** What the fields of a backbone and a head say about one another. */
function vitProblems({ model: { backbone, head } }: VitConfig): (string | false)[] {
  const { taps: headTaps, isAsWideAsTaps } = headType(head);
  return [
    ...backbone.taps
      .filter((tap) => tap >= backbone.depth)
      .map(
        (tap) =>
          `model.backbone.taps has ${tap}, but the backbone has ${backbone.depth} blocks (0 to ${backbone.depth - 1})`,
      ),
    headTaps !== null &&
      backbone.taps.length !== headTaps &&
      `model.backbone.taps has ${backbone.taps.length} blocks, but a head of type ${head.type} takes ${headTaps}`,
    backbone.embedDim % backbone.heads !== 0 &&
      `model.backbone.heads is ${backbone.heads}, which does not divide embedDim ${backbone.embedDim}`,
    vitOf(backbone).position.type === 'rotary' &&
      (backbone.embedDim / backbone.heads) % 4 !== 0 &&
      `model.backbone.heads is ${backbone.heads}: each has ${backbone.embedDim / backbone.heads} channels, but a rotary embedding takes a multiple of 4`,
    vitOf(backbone).partialPatch === 'ignore' &&
      backbone.imageSizePx % backbone.patchSizePx !== 0 &&
      `model.backbone.imageSizePx is ${backbone.imageSizePx}, which is no multiple of patchSizePx ${backbone.patchSizePx}`,
    isAsWideAsTaps &&
      head.channels !== backbone.embedDim * backbone.taps.length &&
      `model.head.channels is ${head.channels}, but the backbone's taps give ${backbone.embedDim * backbone.taps.length}`,
  ];
}

/** What the fields about an annotation's values say about one another. */
export function labelProblems({ dataset, model }: Pick<Config, 'dataset' | 'model'>): string[] {
  const { labelIds, ignoredIds, ignoreIndex, reduceZeroLabel } = dataset;
  const classes = classesOf(model);
  if (labelIds === undefined) {
    const isClass = !reduceZeroLabel && ignoreIndex < classes && isWide(classes);
    return [
      ignoredIds !== undefined && 'dataset.ignoredIds goes with dataset.labelIds, which is absent',
      isClass && `dataset.ignoreIndex is ${ignoreIndex}, which is one of ${classes} classes; expected 65535`,
    ].filter((problem) => problem !== false);
  }
  const ids = labelIds === 'official' ? [] : labelIds.flat();
  const others = new Set(Array.isArray(ignoredIds) ? ignoredIds : []);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i || others.has(id));
  return [
    labelIds !== 'official' &&
      labelIds.length !== classes &&
      `dataset.labelIds has ${labelIds.length} entries, but ${classesKey(model)} is ${classes}`,
    reduceZeroLabel &&
      'dataset.reduceZeroLabel is true, but dataset.labelIds says what each value means: set it to false',
    twice !== undefined && `dataset.labelIds has ${twice} twice, or dataset.ignoredIds has it as well`,
  ].filter((problem) => problem !== false);
}

function listed(classes: Exclude<DatasetConfig['classes'], string>) {
  return Array.isArray(classes) ? classes : classes.classes;
}

/** What each device computes in unless a config says otherwise. */
const DEFAULT_PRECISION: Record<Device, Precision> = { cpu: 'float32', cuda: 'bfloat16' };

/** Precision may be left out: it goes with the device. */
function withPrecision(value: unknown): unknown {
  const run = (value as { run?: { device?: Device; precision?: Precision } } | null)?.run;
  const precision = run?.device && DEFAULT_PRECISION[run.device];
  if (!run || run.precision !== undefined || !precision) return value;
  return { ...(value as object), run: { ...run, precision } };
}

/**
 * Checks what a workflow is started with. A config in it may leave out what a config's file may leave out.
 *
 * @throws BadInput as `parseAs`
 */
export function parseInput<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  return parseAs(schema, withInlineConfigs(value), where);
}

function withInlineConfigs(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { config, rows } = value as { config?: unknown; rows?: unknown };
  return {
    ...value,
    ...(typeof config === 'object' ? { config: withPrecision(config) } : {}),
    ...(Array.isArray(rows) ? { rows: rows.map(withInlineConfigs) } : {}),
  };
}

/** Checks a value by a schema, with one line a problem; an unknown key gets the nearest known one. */
export function parseAs<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.flatMap((issue) => describe(issue, schema));
  throw new BadInput(lines.map((line) => `${where}: ${line}`).join('\n'));
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    // A known one is of another member of the union, such as a crop in whole mode.
    return issue.keys.map((key) =>
      known.includes(key)
        ? `key ${[...path, key].join('.')} does not go with this kind of ${path.join('.')}`
        : unknownKey([...path, key], known),
    );
  }
  const deeper = issue.code === 'invalid_union' ? nearestMember(issue) : null;
  if (deeper)
    return deeper.flatMap((inner) => describe({ ...inner, path: [...issue.path, ...inner.path] }, schema));
  return [`${path.join('.') || 'the whole'}: ${issue.message}`];
}

/** What keeps a value from being the member of a union that it comes nearest to; null if it is like none of them. */
function nearestMember({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | null {
  return (
    errors.find((issues) => issues.some(({ path }) => path.some((key) => typeof key === 'string'))) ?? null
  );
}

/** One sentence about a key that a schema doesn't have. */
export function unknownKey(path: string[], known: string[]): string {
  const siblings = known.map((name) => [...path.slice(0, -1), name].join('.'));
  return `unknown key ${path.join('.')}${didYouMean(path.join('.'), siblings)}`;
}

/** The keys that a schema has at a path; of a union, those of all its members. */
export function knownKeys(schema: z.ZodType, path: string[]): string[] {
  const here = schemasAt([schema], path);
  return [...new Set(here.flatMap((s) => Object.keys(shapeOf(s))))];
}

function schemasAt(schemas: z.ZodType[], path: string[]): z.ZodType[] {
  const flat = schemas.flatMap(members);
  const [key, ...rest] = path;
  if (key === undefined) return flat;
  return schemasAt(
    flat.map((s) => shapeOf(s)[key]).filter((s) => s !== undefined),
    rest,
  );
}

interface Introspected {
  def: { type: string; innerType?: z.ZodType; options?: z.ZodType[]; shape?: Record<string, z.ZodType> };
}

function members(schema: z.ZodType): z.ZodType[] {
  const { def } = schema as unknown as Introspected;
  if (def.innerType) return members(def.innerType);
  return def.options ? def.options.flatMap(members) : [schema];
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  return (schema as unknown as Introspected).def.shape ?? {};
}
