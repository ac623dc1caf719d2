import { createHash } from 'node:crypto';
import type { Config } from '../../core/config/config.ts';
import type { StagedObject } from '../../core/config/eval.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { OnnxModelConfig } from '../../core/config/onnx-model.ts';
import { type PlannedOwnModel, planOwnModel } from '../../core/model/own-onnx.ts';
import { checkExternalFiles, checkOnnxModel } from '../../core/onnx/check-model.ts';
import { MAX_BYTES, readOnnxModel } from '../../core/onnx/read-model.ts';
import { folderOf, joinUri, type Store } from '../../core/store.ts';

/**
 * Files of weights that a run may name to each shard, so that Temporal's history stays small. Exporters write one file, or
 * one for each tensor.
 */
const MAX_FILES = 16;

/**
 * Reads an ONNX model in a store, checks it, and decides how it is run. Files of weights are not read: their sizes are
 * enough.
 *
 * @param uri `s3://bucket/…/model.onnx`; its files of weights lie beside it
 * @returns the model with its own file's SHA-256
 * @throws BadInput, BadData with a sentence for what cannot be run: see `checkOnnxModel` and `planOwnModel`
 */
export async function planOwnModelAt(
  store: Store,
  uri: string,
  config: OnnxModelConfig,
  pipeline: Pick<Config['pipeline'], 'mean' | 'std'>,
): Promise<{ object: StagedObject; ownModel: PlannedOwnModel }> {
  const info = await store.head(uri);
  if (info.sizeBytes > MAX_BYTES)
    throw new BadInput(
      `${uri}: ${info.sizeBytes} bytes; an ONNX file has at most ${MAX_BYTES}: larger models keep weights in files beside it`,
    );
  const bytes = await store.read(uri);
  const model = readOnnxModel(bytes, uri);
  checkOnnxModel(model, uri);
  if (model.externalFiles.length > MAX_FILES)
    throw new BadInput(
      `${uri}: keeps weights in ${model.externalFiles.length} files; at most ${MAX_FILES} are read: save them in one ` +
        '(onnx.save_model with all_tensors_to_one_file=True)',
    );
  const plan = planOwnModel(model, config, pipeline, uri);
  const folder = folderOf(uri);
  // Listed, not asked for one by one: one that is missing is no failure of the store.
  const there = new Map(
    (await listed(store, folder, model.externalFiles.length)).map((one) => [one.uri, one.sizeBytes]),
  );
  const sizes = new Map<string, number>();
  for (const { location } of model.externalFiles) {
    const size = there.get(joinUri(folder, location));
    if (size !== undefined) sizes.set(location, size);
  }
  checkExternalFiles(model, sizes, uri);
  const external = await Promise.all(
    model.externalFiles.map(async ({ location }) => {
      const at = joinUri(folder, location);
      return { uri: at, location, ...(await store.head(at)) };
    }),
  );
  const { sizeBytes, versionId } = info;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    object: { uri, sha256, sizeBytes, ...(versionId ? { versionId } : {}) },
    ownModel: { plan, files: [{ uri, location: uri.slice(folder.length + 1), ...info }, ...external] },
  };
}

async function listed(store: Store, folder: string, files: number) {
  return files > 0 ? store.list(`${folder}/`) : [];
}
