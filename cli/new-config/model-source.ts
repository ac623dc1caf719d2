import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openHub } from '../../activities/hub/hub.ts';
import { hubSettings } from '../../activities/hub/hub-client.ts';
import { BadInput } from '../../core/config/failures.ts';
import { parseJson } from '../../core/config/parse-json.ts';
import { hubUri, isHubUri, parseHubUri } from '../../core/hub/hub-uri.ts';

const CONFIG = 'config.json';
const PREPROCESSOR = 'preprocessor_config.json';

/** A model's own description, where it was found. */
export interface ModelSource {
  /** Its config.json's address, on the Hub with the commit. */
  uri: string;
  /** Of the repository or folder. */
  name: string;
  config: unknown;
  /** What preprocessor_config.json says; null without one. */
  preprocessor: unknown;
  /** Repository at the commit; null for a file of this machine. */
  weights: string | null;
}

/**
 * Reads a model's config.json and, where it is there, the preprocessor_config.json beside it.
 *
 * @param named `hf://org/name`, also with a revision or a folder; else a config.json or a folder of this machine
 * @throws BadInput if there is none, or it may not be read; BadData if it is no JSON; Unavailable
 */
export async function readModelSource(named: string, env: NodeJS.ProcessEnv): Promise<ModelSource> {
  if (isHubUri(named)) return fromHub(named, env);
  if (/^[a-z0-9]+:\/\//i.test(named))
    throw new BadInput(`${named}: expected hf://org/name, or a config.json of this machine`);
  return fromHere(named);
}

async function fromHub(named: string, env: NodeJS.ProcessEnv): Promise<ModelSource> {
  const hub = openHub(hubSettings(env));
  const { repo, revision, file: place } = parseHubUri(named);
  const isFile = place?.endsWith('.json') ?? false;
  const file = isFile ? place! : path.posix.join(place ?? '', CONFIG);
  const found = await hub.readFile(hubUri({ repo, revision, file }));
  const commit = parseHubUri(found.uri).revision;
  const folder = path.posix.dirname(file);
  const beside = (name: string) => path.posix.join(folder, name);
  const preprocessor = await hub
    .readFile(hubUri({ repo, revision: commit, file: beside(PREPROCESSOR) }))
    .catch(unlessNone);
  return {
    uri: found.uri,
    name: repo.split('/')[1]!,
    config: parseJson(found.bytes, found.uri),
    preprocessor: preprocessor && parseJson(preprocessor.bytes, preprocessor.uri),
    weights: hubUri({ repo, revision: commit, file: folder === '.' ? null : folder }),
  };
}

/** The config.json of the same commit could be read: what is refused now isn't there. */
function unlessNone(error: unknown): null {
  if (error instanceof BadInput) return null;
  throw error;
}

async function fromHere(named: string): Promise<ModelSource> {
  const file = named.endsWith('.json') ? named : path.join(named, CONFIG);
  const folder = path.dirname(path.resolve(file));
  const besides = path.join(folder, PREPROCESSOR);
  const config = await readHere(file);
  if (!config) throw new BadInput(`${file}: no such file; expected a model's config.json, or hf://org/name`);
  const preprocessor = await readHere(besides);
  return {
    uri: file,
    name: path.basename(folder),
    config: parseJson(config, file),
    preprocessor: preprocessor && parseJson(preprocessor, besides),
    weights: null,
  };
}

async function readHere(file: string): Promise<Buffer | null> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
}
