import type { BackboneConfig } from '../config/config.ts';
import { BadInput } from '../config/failures.ts';
import { isFields } from '../config/merge.ts';
import { FAMILIES } from './families/all.ts';
import type { Family } from './families/family.ts';

/** A backbone as a model's own config.json describes it. */
export interface JsonBackbone {
  family: Family;
  /** The config's fields, complete but for crop and taps. */
  fields: { type: string; embedDim: number; depth: number };
}

/** Stand for what a config.json doesn't say while the rest is checked. */
const LATER = { imageSizePx: 1, taps: [0] };

/**
 * Reads a model's config.json.
 *
 * @param where names the file in messages
 * @throws BadInput if the model is of no family here, or naming the fields that are missing or impossible
 */
export function backboneFromJson(json: unknown, where: string): JsonBackbone {
  const families: Family[] = Object.values(FAMILIES);
  const supported = families.flatMap(({ modelTypes }) => modelTypes).join(', ');
  if (!isFields(json) || json.model_type === undefined)
    throw new BadInput(
      `${where}: has no model_type; expected a model's config.json with one of ${supported}`,
    );
  const family = families.find(({ modelTypes }) => modelTypes.includes(String(json.model_type)));
  if (!family) throw new BadInput(`${where}: model_type is ${shown(json.model_type)}; read are ${supported}`);
  const fields = family.fromConfigJson(json);
  const problems = [...otherValues(family, json), ...wrongFields(family, json, fields)];
  if (problems.length > 0) throw new BadInput(problems.map((problem) => `${where}: ${problem}`).join('\n'));
  const {
    imageSizePx: _,
    taps: __,
    ...known
  } = family.schema.parse({ ...fields, ...LATER }) as BackboneConfig;
  return { family, fields: known };
}

function otherValues(family: Family, json: Record<string, unknown>): string[] {
  return Object.entries(family.onlyJson(json))
    .filter(([name, values]) => json[name] !== undefined && !values.includes(json[name]))
    .map(
      ([name, values]) =>
        `${name} is ${shown(json[name])}, but the family's code is only known with ${values.map(shown).join(' or ')}`,
    );
}

function wrongFields(
  { schema, jsonNames }: Family,
  json: Record<string, unknown>,
  fields: Record<string, unknown>,
): string[] {
  const issues = schema.safeParse({ ...fields, ...LATER }).error?.issues ?? [];
  const wrong = issues.map(({ path, message }) => ({ field: String(path[0]), message }));
  // What is computed of a field that is wrong itself is not said as well.
  const own = wrong.filter(({ field }) => !Number.isNaN(fields[field]) || wrong.length === 1);
  return own.map(({ field, message }) => {
    const name = jsonNames[field] ?? field;
    return json[name] === undefined ? `${name} is missing` : `${name} is ${shown(json[name])}: ${message}`;
  });
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}
