import { isHubUri, parseHubUri } from '../hub/hub-uri.ts';
import type { Config } from './config.ts';
import { BadInput } from './failures.ts';

/** Checkpoints of a run. */
export interface Checkpoints {
  weights: string;
  head?: string;
}

/**
 * What a run reads that names no checkpoint itself: the config's published ones, or their staged copies.
 *
 * @param folder where `tessera stage published` has put them; without it only what lies on the Hub can be read
 * @throws BadInput if the config names none, or one that must be staged first
 */
export function publishedCheckpoints(
  { name, published }: Pick<Config, 'name' | 'published'>,
  folder: string | undefined,
): Checkpoints {
  if (!published)
    throw new BadInput(`${name}: names no published weights; say where they lie: --weights s3://bucket/key`);
  const { weights, head } = published;
  if (folder !== undefined) {
    const copy = (uri: string) => `${folder.replace(/\/$/, '')}/${publishedName(uri)}`;
    return head === undefined ? { weights: copy(weights) } : { weights: copy(weights), head: copy(head) };
  }
  const toStage = [weights, head].find((uri) => uri !== undefined && !isHubUri(uri));
  if (toStage !== undefined)
    throw new BadInput(
      `${name}: ${toStage} has to be staged first: tessera stage published ${name} --to s3://bucket/folder, ` +
        'then --published s3://bucket/folder',
    );
  return head === undefined ? { weights } : { weights, head };
}

/**
 * Checks that a run's checkpoints go with its model.
 *
 * @throws BadInput if an ONNX model is given any, or a model of ours none
 */
export function ensureCheckpoints(
  { name, model }: Pick<Config, 'name' | 'model'>,
  { weights, head }: { weights?: string | undefined; head?: string | undefined },
): void {
  const given = weights ? 'weights' : head ? 'head' : null;
  if (model.type === 'onnx' && given)
    throw new BadInput(
      `${name}: model.file is the whole model (${model.file}); ${given} (${weights ?? head}) does not go with it: leave it out`,
    );
  if (model.type !== 'onnx' && !weights)
    throw new BadInput(`${name}: weights: expected s3://bucket/key or hf://org/name@revision/file`);
}

/** Name of a published checkpoint's staged copy: the file's, or that of a repository, whose weights become one file. */
export function publishedName(uri: string): string {
  const last = uri.split('/').at(-1)!;
  if (!isHubUri(uri)) return last;
  const { repo, file } = parseHubUri(uri);
  return file?.split('/').at(-1) ?? `${repo.split('/')[1]}.safetensors`;
}
