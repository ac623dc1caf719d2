import { z } from 'zod';
import { FAILURE_CLASSES } from './failures.ts';

/** Workflow types that are runs: what a user asked for. The others prepare something for them. */
export const RUN_KINDS = ['EvalMIoU', 'Train', 'ReproduceTable'] as const;
/** What earlier versions called one of them. */
export const FORMER_KINDS = ['TrainHead'] as const;
export const STAGE_KINDS = ['StageDataset', 'StageWeights'] as const;

/** The type of a run by today's name. */
export function currentType(type: string): string {
  return FORMER_KINDS.some((name) => name === type) ? 'Train' : type;
}

/** Temporal's search attributes of a run, with their types; a namespace may have them or not. */
export const SEARCH_ATTRIBUTES = {
  TesseraConfig: 'Keyword',
  TesseraDataset: 'Keyword',
  TesseraState: 'Keyword',
  TesseraMIoU: 'Double',
} as const;

/** The memo's key below which a run says what it is. */
export const MEMO_KEY = 'tessera';

const cost = z.strictObject({
  workerSeconds: z.number().nonnegative(),
  /** Null where the config gives no price. */
  total: z.number().nonnegative().nullable(),
  currency: z.string(),
});
export type ListedCost = z.infer<typeof cost>;

/**
 * What a run keeps in its memo, so that one list call describes a run. Not strict: a newer version may say more.
 */
export const RunMemoSchema = z.object({
  config: z.string(),
  dataset: z.string(),
  /** `started` before the plan is made; then `running`, and how it ended. */
  state: z.enum(['started', 'running', 'done', 'failed', 'cancelled']),
  /** Share in 0…1: of an evaluation, or of a training's last one. */
  mIoU: z.number().nullable().default(null),
  /** Share of its images of which the results are; null where they are of all. */
  partial: z.number().min(0).max(1).nullable().default(null),
  cost: cost.nullable().default(null),
  failure: z.enum(FAILURE_CLASSES).nullable().default(null),
  /** Where the results are, once they are published. */
  resultsUri: z.string().nullable().default(null),
  /** From the input, such as the team that pays. */
  labels: z.record(z.string(), z.string()).default({}),
});
export type RunMemo = z.infer<typeof RunMemoSchema>;

/** What a plan says for lists of runs. Plans of earlier versions have none, and their runs no memo. */
export interface Listing {
  config: string;
  dataset: string;
  labels: Record<string, string>;
  /** Whether Temporal's namespace has all of `SEARCH_ATTRIBUTES`. */
  isSearchable: boolean;
}

/** A plan that says what it is. */
export interface Listed {
  listing?: Listing;
}

/** What a price per hour makes of worker seconds; no price is not a price of nothing. */
export function listedCost(cost: {
  workerSeconds: number;
  pricePerWorkerHour: number;
  total: number;
  currency: string;
}): ListedCost {
  const { workerSeconds, pricePerWorkerHour, total, currency } = cost;
  return { workerSeconds, total: pricePerWorkerHour > 0 ? total : null, currency };
}

/** What an input names, for lists of runs; the same before and after its plan. */
export function listedInput(input: {
  config?: string | { name: string };
  suite?: string | undefined;
  rows?: { config: string | { name: string } }[] | undefined;
  dataset: string;
  labels?: Record<string, string> | undefined;
}): Omit<Listing, 'isSearchable'> {
  const { config, suite, rows = [], dataset, labels = {} } = input;
  const names = rows.map((row) => configName(row.config));
  const several = suite ?? (names.length > 3 ? `${names.length} configs` : names.join(', '));
  return { config: config ? configName(config) : several, dataset: nameOf(dataset), labels };
}

function configName(config: string | { name: string }): string {
  return typeof config === 'string' ? nameOf(config).replace(/\.ya?ml$/, '') : config.name;
}

/** The last part of a staged dataset's or checkpoint's address: `mini-ade20k`. */
export function nameOf(uri: string): string {
  return uri.replace(/\/+$/, '').split('/').at(-1) ?? uri;
}
