import type { Config } from '../../core/config/config.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { OnnxModelConfig } from '../../core/config/onnx-model.ts';
import { type OwnModelPlan, planOwnModel } from '../../core/model/own-onnx.ts';
import { checkExternalFiles, checkOnnxModel } from '../../core/onnx/check-model.ts';
import { MAX_BYTES, readOnnxModel } from '../../core/onnx/read-model.ts';
import { folderOf, joinUri, type ObjectInfo, type Store } from '../../core/store.ts';

/** A model of one's own as it was planned with, and what a worker has to fetch for it. */
export interface PlannedOwnModel {
  plan: OwnModelPlan;
  /** The model itself first, then the files that its weights are in: `location` as the model names them. */
  files: (ObjectInfo & { uri: string; location: string })[];
}

/**
 * Reads an ONNX model in a store, checks it, and decides how it is run. Files of weights are not read: their sizes are
 * enough.
 *
 * @param uri `s3://bucket/…/model.onnx`; its files of weights lie beside it
 * @throws BadInput, BadData with a sentence for what cannot be run: see `checkOnnxModel` and `planOwnModel`
 */
export async function planOwnModelAt(
  store: Store,
  uri: string,
  config: OnnxModelConfig,
  pipeline: Pick<Config['pipeline'], 'mean' | 'std'>,
): Promise<PlannedOwnModel> {
  const info = await store.head(uri);
  if (info.sizeBytes > MAX_BYTES)
    throw new BadInput(
      `${uri}: ${info.sizeBytes} bytes; an ONNX file has at most ${MAX_BYTES}: larger models keep weights in files beside it`,
    );
  const model = readOnnxModel(await store.read(uri), uri);
  checkOnnxModel(model, uri);
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
  return { plan, files: [{ uri, location: uri.slice(folder.length + 1), ...info }, ...external] };
}

async function listed(store: Store, folder: string, files: number) {
  return files > 0 ? store.list(`${folder}/`) : [];
}
