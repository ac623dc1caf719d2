import { z } from 'zod';
import type { StagedObject } from '../config/eval.ts';
import { BadInput } from '../config/failures.ts';
import { parseAs } from '../config/parse.ts';
import { parseJson } from '../config/parse-json.ts';
import { type SavedCheckpoint, TrainStartSchema } from '../config/train-run.ts';
import { folderOf, joinUri, type Store } from '../store.ts';
import { RecipeSchema } from './recipe.ts';
import { bestOf, EvaluationSchema, LogWindowSchema } from './train-log.ts';

const file = z.strictObject({
  /** Relative to the pointer. */
  key: z.string().regex(/^[^/]+$/),
  sizeBytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  versionId: z.string().optional(),
});

/** A checkpoint's pointer, `iter_<step>.json`. It is written last: if it exists, the checkpoint is complete. */
export const CheckpointSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('checkpoint'),
  /** Steps done. Also the state of the random generators: samples and dropout are functions of seed and step. */
  step: z.int().nonnegative(),
  seed: z.int().nonnegative(),
  /** `iter_<step>.pth`, which mmseg can load. */
  head: file,
  /** AdamW's moments: `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`. */
  optimizer: file,
  /** Figures of the steps since the last line of the log. */
  logWindow: LogWindowSchema,
  recipe: RecipeSchema,
  /** The training's initial weights. */
  start: TrainStartSchema.optional(),
  /** The run and worker that wrote it. */
  writer: z.strictObject({ workflowId: z.string(), runId: z.string(), worker: z.string() }),
  /** Added after the checkpoint is evaluated. */
  evaluation: EvaluationSchema.optional(),
});
export type CheckpointPointer = z.infer<typeof CheckpointSchema>;

/** A pointer and its URI. */
export interface Checkpoint extends CheckpointPointer {
  uri: string;
}

/** Number of newest checkpoints that are kept, in addition to the best one. */
const KEPT = 2;

/** Folder of a run's checkpoints. */
export function checkpointFolder(prefix: string): string {
  return joinUri(prefix, 'checkpoints');
}

/** The checkpoints of a folder, by step. @throws BadInput or BadData for an invalid pointer */
export async function listCheckpoints(store: Store, folder: string): Promise<Checkpoint[]> {
  const where = folder.replace(/\/+$/, '');
  const objects = await store.list(`${where}/`);
  const pointers = objects.filter(({ uri }) => folderOf(uri) === where && /\/iter_\d+\.json$/.test(uri));
  const found = await Promise.all(pointers.map(({ uri }) => readCheckpoint(store, uri)));
  return found.sort((a, b) => a.step - b.step);
}

/** @throws NotFound if it does not exist, BadInput or BadData if it is not a pointer */
export async function readCheckpoint(store: Store, uri: string): Promise<Checkpoint> {
  return { ...parseAs(CheckpointSchema, parseJson(await store.read(uri), uri), uri), uri };
}

/** Writes a checkpoint's pointer, which completes the checkpoint. */
export async function writeCheckpoint(store: Store, { uri, ...pointer }: Checkpoint): Promise<void> {
  const body = new TextEncoder().encode(`${JSON.stringify(pointer, null, 1)}\n`);
  await store.write(uri, body, { contentType: 'application/json' });
}

/** The checkpoint of a pointer's URI, or the newest of a folder or a run. @throws BadInput if there is none */
export async function findCheckpoint(store: Store, uri: string): Promise<Checkpoint> {
  if (uri.endsWith('.json')) return readCheckpoint(store, uri);
  for (const folder of [uri, checkpointFolder(uri)]) {
    const newest = (await listCheckpoints(store, folder)).at(-1);
    if (newest) return newest;
  }
  throw new BadInput(
    `${uri}: no checkpoint lies here; expected an iter_<step>.json, a folder of them, or a run's folder`,
  );
}

/** One of a checkpoint's files as an object of the store. */
export function checkpointFile({ uri, ...pointer }: Checkpoint, which: 'head' | 'optimizer'): StagedObject {
  const { key, ...rest } = pointer[which];
  const { versionId, ...object } = rest;
  return { uri: joinUri(folderOf(uri), key), ...object, ...(versionId ? { versionId } : {}) };
}

export function savedCheckpoint(checkpoint: Checkpoint): SavedCheckpoint {
  return { step: checkpoint.step, uri: checkpoint.uri, head: checkpointFile(checkpoint, 'head') };
}

/** Superfluous checkpoints: all but the last two and the best one. */
export function superfluous(checkpoints: Checkpoint[]): Checkpoint[] {
  const best = bestOf(checkpoints.flatMap(({ evaluation }) => evaluation ?? []));
  return checkpoints.slice(0, -KEPT).filter(({ step }) => step !== best?.step);
}

/** Removes superfluous checkpoints of a folder, each pointer before its files: a pointer's files must exist. */
export async function removeSuperfluous(store: Store, folder: string): Promise<void> {
  for (const checkpoint of superfluous(await listCheckpoints(store, folder))) {
    await store.remove(checkpoint.uri);
    for (const which of ['head', 'optimizer'] as const) {
      const { uri } = checkpointFile(checkpoint, which);
      await store.remove(`${uri}.manifest.json`);
      await store.remove(uri);
    }
  }
}
