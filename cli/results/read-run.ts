import { z } from 'zod';
import { BadInput } from '../../core/config/failures.ts';
import { parseAs } from '../../core/config/parse.ts';
import { parseJson } from '../../core/config/parse-json.ts';
import { type Results, ResultsSchema } from '../../core/config/results.ts';
import { type Table, TableSchema } from '../../core/config/table.ts';
import { type TrainResults, TrainResultsSchema } from '../../core/config/train-results.ts';
import { readImageMatrices } from '../../core/image-matrices-objects.ts';
import type { PublishedRun } from '../../core/metric/compare-runs.ts';
import type { ImageMatrices } from '../../core/metric/image-matrices.ts';
import { unlessAbsent } from '../../core/store.ts';
import type { FoundRun } from './find-run.ts';

/** What a run has published. */
export type Published =
  | { kind: 'evaluation'; document: Results }
  | { kind: 'training'; document: TrainResults }
  | { kind: 'table'; document: Table };

/** What this version reads: the only one so far. */
const VERSION = 1;
const VersionSchema = z.object({ version: z.number(), kind: z.string().default('evaluation') });

/** @throws BadInput if it has published nothing, or a later version of Tessera did */
export async function readPublished(run: FoundRun): Promise<Published> {
  const found = (await readIfThere(run, 'results.json')) ?? (await readIfThere(run, 'table.json'));
  if (!found)
    throw new BadInput(
      run.state
        ? `${run.name}: ${run.state}`
        : `${run.name}: no results.json and no table.json in ${run.files.folder}. Give the folder of a finished run`,
    );
  const { where, value } = found;
  const { version, kind } = parseAs(VersionSchema, value, where);
  if (version !== VERSION)
    throw new BadInput(
      `${where}: its version is ${version}, this Tessera reads ${VERSION}. Use the one that wrote it, or a later one`,
    );
  if (kind === 'training') return { kind, document: parseAs(TrainResultsSchema, value, where) };
  if (kind === 'table') return { kind, document: parseAs(TableSchema, value, where) };
  return { kind: 'evaluation', document: parseAs(ResultsSchema, value, where) };
}

/** An evaluation with its per-image matrices, if it kept them. @throws BadInput if the run is none */
export async function readEvaluation(run: FoundRun): Promise<PublishedRun> {
  const published = await readPublished(run);
  if (published.kind === 'training')
    throw new BadInput(
      `${run.name}: is a training. Name one of its evaluations; the best one is ${published.document.best.resultsUri}`,
    );
  if (published.kind === 'table')
    throw new BadInput(`${run.name}: is a table of runs. Name two of its rows' workflow ids`);
  const { document: results } = published;
  return { name: run.name, results, perImage: await readPerImage(run, results) };
}

/** Beside results.json, wherever that has been copied to. @returns null if it isn't there */
async function readPerImage({ files }: FoundRun, { artifacts }: Results): Promise<ImageMatrices | null> {
  const { perImage } = artifacts;
  if (!perImage) return null;
  const name = perImage.uri.slice(perImage.uri.lastIndexOf('/') + 1);
  const at = { uri: files.uriOf(name), sha256: perImage.sha256 };
  return unlessAbsent(readImageMatrices(() => files.read(name), at));
}

async function readIfThere(
  { files }: FoundRun,
  name: string,
): Promise<{ where: string; value: unknown } | null> {
  const where = files.uriOf(name);
  const bytes = await unlessAbsent(files.read(name));
  return bytes && { where, value: parseJson(bytes, where) };
}
