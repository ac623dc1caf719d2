import { z } from 'zod';
import { fieldComment, type Literal, objectComment } from './comments.ts';

/** A row of a reference table. */
export interface Field {
  /** `model.backbone.taps`, `perClass[].name`, `labels.*`. */
  path: string;
  type: string;
  /** `required`, `optional`, or a default as JSON. */
  presence: string;
  /** From the source, as it is written there. */
  comment: string;
}

type Json = z.core.JSONSchema.JSONSchema;

/** A schema that has a page or a table of its own: where it is a field, the field links to it. */
export interface Known {
  schema: z.core.$ZodType;
  link: string;
}

/** The fields of a schema, its own order, nested objects after the field that holds them. */
export function fieldsOf(
  schema: z.ZodType,
  io: 'input' | 'output',
  literals: Literal[],
  known: Known[],
): Field[] {
  const root: z.core.$ZodType = schema;
  const json = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const other = known.find((one) => one.schema === zodSchema);
      if (zodSchema === root) return;
      if (!other) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      jsonSchema.title = other.link;
    },
  });
  return below(json, '', literals);
}

function below(json: Json, path: string, literals: Literal[]): Field[] {
  if (json.items && typeof json.items === 'object' && !Array.isArray(json.items))
    return below(json.items as Json, `${path}[]`, literals);
  const rest = json.additionalProperties;
  if (!json.properties && rest && typeof rest === 'object') return below(rest, join(path, '*'), literals);
  if (json.properties) return properties(json, path, literals);
  const options = alternatives(json).filter((option) => option.type !== 'null');
  const lists = options.map((option) => ({ option, fields: below(option, path, literals) }));
  const isShared = (field: string) =>
    lists.every(({ fields }) => fields.some((other) => other.path === field));
  return unique(
    lists.flatMap(({ option, fields }) => {
      const kind = kindOf(option);
      if (!kind || options.length === 1) return fields;
      const says = `${kind.key}: ${kind.value}`;
      return fields.map((field) => {
        const isKind = field.path === join(path, kind.key);
        if (isKind) return { ...field, comment: kindComment(option, kind, field, literals) };
        const isOwn = !isShared(field.path) && !/[.[]/.test(field.path.slice(path.length + 1));
        return isOwn ? { ...field, comment: `With \`${says}\`. ${field.comment}`.trim() } : field;
      });
    }),
  );
}

/** What an option of a union means: said before its first key, or before itself. */
function kindComment(
  option: Json,
  { value }: { value: string },
  { comment }: Field,
  literals: Literal[],
): string {
  const text = comment || objectComment(literals, Object.keys(option.properties ?? {}));
  return text ? `\`${value}\`: ${text}` : '';
}

function properties(json: Json, path: string, literals: Literal[]): Field[] {
  const names = Object.keys(json.properties ?? {});
  return names.flatMap((name) => {
    const value = json.properties![name] as Json;
    const at = join(path, name);
    const field: Field = {
      path: at,
      type: typeText(value),
      presence: presenceOf(value, json.required?.includes(name) ?? false),
      comment: fieldComment(literals, names, name) ?? '',
    };
    return [field, ...below(value, at, literals)];
  });
}

/** A field of several options is one field: its types are joined, and what each option says of it. */
function unique(fields: Field[]): Field[] {
  const byPath = new Map<string, Field>();
  for (const field of fields) {
    const before = byPath.get(field.path);
    if (!before) byPath.set(field.path, field);
    else
      byPath.set(field.path, {
        ...before,
        type: joined(before.type, field.type, ' or '),
        comment: joined(before.comment, field.comment, ' '),
      });
  }
  return [...byPath.values()];
}

function joined(before: string, text: string, by: string): string {
  if (text === '' || before.split(by).includes(text) || before.includes(text)) return before;
  return before === '' ? text : `${before}${by}${text}`;
}

function alternatives(json: Json): Json[] {
  return (json.anyOf ?? json.oneOf ?? []) as Json[];
}

/** The field that distinguishes an option of a union. */
function kindOf(option: Json): { key: string; value: string } | null {
  for (const [key, value] of Object.entries(option.properties ?? {}))
    if (typeof value === 'object' && typeof value.const === 'string') return { key, value: value.const };
  return null;
}

function presenceOf(json: Json, isRequired: boolean): string {
  if (json.default !== undefined) return `default \`${JSON.stringify(json.default)}\``;
  return isRequired ? 'required' : 'optional';
}

function typeText(json: Json): string {
  if (json.title) return json.title;
  if (json.const !== undefined) return `\`${json.const}\``;
  if (json.enum) return json.enum.map((value) => `\`${value}\``).join(', ');
  const options = alternatives(json);
  if (options.length > 0) return [...new Set(options.map(typeText))].join(' or ');
  if (json.type === 'array') return arrayText(json);
  if (json.type === 'object') return json.properties ? 'object' : 'object by name';
  if (json.type === 'string') return stringText(json);
  if (json.type === 'number' || json.type === 'integer') return numberText(json);
  return [json.type ?? 'any'].flat().join(' or ');
}

function arrayText(json: Json): string {
  const { prefixItems, items } = json as { prefixItems?: Json[]; items?: Json };
  if (prefixItems) return `[${prefixItems.map(typeText).join(', ')}]`;
  const atLeast = json.minItems ? `, ${json.minItems} or more` : '';
  return `list of ${items ? typeText(items) : 'any'}${atLeast}`;
}

function stringText(json: Json): string {
  if (json.format === 'date-time') return 'time, ISO 8601';
  if (json.pattern?.includes('s3:')) return 's3:// address';
  if (json.pattern?.includes('{64}')) return 'SHA-256';
  return 'string';
}

function numberText(json: Json): string {
  const from =
    json.minimum !== undefined && json.minimum > Number.MIN_SAFE_INTEGER ? json.minimum : undefined;
  const to = json.maximum !== undefined && json.maximum < Number.MAX_SAFE_INTEGER ? json.maximum : undefined;
  if (from !== undefined && to !== undefined) return `${json.type} ${from}…${to}`;
  const bounds = [
    from !== undefined && `≥ ${from}`,
    json.exclusiveMinimum !== undefined && `> ${json.exclusiveMinimum}`,
    to !== undefined && `≤ ${to}`,
    json.exclusiveMaximum !== undefined && `< ${json.exclusiveMaximum}`,
  ].filter((bound) => bound !== false);
  return [json.type, ...(bounds.length > 0 ? [bounds.join(', ')] : [])].join(' ');
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
