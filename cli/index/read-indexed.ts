import { z } from 'zod';
import { BadData, BadInput } from '../../core/config/failures.ts';
import { parseJson } from '../../core/config/parse-json.ts';
import { ResultsSchema } from '../../core/config/results.ts';
import type { IndexedRun } from '../../core/config/run-index.ts';
import { TableSchema } from '../../core/config/table.ts';
import { TrainResultsSchema } from '../../core/config/train-results.ts';

type Told = Omit<IndexedRun, 'resultsUri' | 'pageUri' | 'partOf'>;

const SCHEMAS = { evaluation: ResultsSchema, training: TrainResultsSchema, table: TableSchema };

/** What every version has said of itself: without this it is somebody else's object. */
const RunSchema = z.object({
  version: z.number(),
  kind: z.string().default('evaluation'),
  run: z.object({ workflowId: z.string().min(1), runId: z.string(), codeVersion: z.string() }),
});

const share = z.number().min(0).max(1).nullable().catch(null);
const text = z.string().nullable().catch(null);
const metrics = z.object({ mIoU: share }).catch({ mIoU: null });

/** What the index shows, each for itself: a field that another version writes in another way costs only that field. */
const FieldsSchema = z.object({
  run: z.object({
    finishedAt: z.iso.datetime().nullable().catch(null),
    config: z
      .object({
        name: text,
        reproduces: z.object({ mIoU: z.number() }).nullable().catch(null),
      })
      .catch({ name: null, reproduces: null }),
    labels: z.record(z.string(), z.string()).catch({}),
  }),
  inputs: z
    .object({ dataset: z.object({ name: z.string(), split: z.string() }).nullable().catch(null) })
    .catch({ dataset: null }),
  metrics,
  partial: z.object({ images: z.int(), ofImages: z.int(), metrics }).nullable().catch(null),
  evaluations: z.array(z.object({ mIoU: share })).catch([]),
  request: z
    .object({ suite: text, dataset: text, labels: z.record(z.string(), z.string()).catch({}) })
    .nullable()
    .catch(null),
  rows: z.array(z.unknown()).catch([]),
  cost: z.object({ total: z.number(), currency: z.string() }).nullable().catch(null),
});

/**
 * A published document as far as it can be read.
 *
 * @throws BadInput, BadData with why it is no run's, or none of a known kind
 */
export function readIndexed(body: Uint8Array, uri: string): Told {
  const value = parseJson(body, uri);
  const identity = RunSchema.safeParse(value);
  if (!identity.success) throw new BadData(`${uri}: is not of Tessera: it names no run`);
  const { kind, run, version } = identity.data;
  if (!isKnown(kind))
    throw new BadInput(`${uri}: is a ${kind} of version ${version}, which this Tessera does not know`);
  const whole = SCHEMAS[kind].safeParse(value);
  const incomplete = whole.success ? null : `version ${version} of Tessera ${run.codeVersion}`;
  return { kind, workflowId: run.workflowId, incomplete, ...fieldsOf(kind, FieldsSchema.parse(value)) };
}

function fieldsOf(
  kind: Told['kind'],
  { run, inputs, metrics, partial, evaluations, request, rows, cost }: z.infer<typeof FieldsSchema>,
): Omit<Told, 'kind' | 'workflowId' | 'incomplete'> {
  const common = { finishedAt: run.finishedAt, cost: cost && cost.total > 0 ? cost : null };
  if (kind === 'table')
    return {
      ...common,
      config: request?.suite ?? `${rows.length} rows`,
      dataset: request?.dataset ?? null,
      mIoU: null,
      original: null,
      partial: null,
      labels: request?.labels ?? {},
    };
  const { dataset } = inputs;
  const mIoU = kind === 'training' ? (evaluations.at(-1)?.mIoU ?? null) : (partial?.metrics ?? metrics).mIoU;
  return {
    ...common,
    config: run.config.name,
    dataset: dataset && `${dataset.name} ${dataset.split}`,
    mIoU,
    labels: run.labels,
    original: run.config.reproduces?.mIoU ?? null,
    partial: partial && { images: partial.images, ofImages: partial.ofImages },
  };
}

function isKnown(kind: string): kind is Told['kind'] {
  return Object.hasOwn(SCHEMAS, kind);
}
