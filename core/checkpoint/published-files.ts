import { BadData, BadInput } from '../config/failures.ts';
import { parseJson } from '../config/parse-json.ts';

/** Names under which transformers saves weights, in the order in which it looks for them. */
const USUAL = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];
/** Other files that are taken if there is one of a kind, safetensors first. */
const KINDS = [/\.safetensors$/, /\.safetensors\.index\.json$/, /\.(pth|pt)$/, /\.bin$/];
/** Saved by transformers' trainer beside a model. */
const NO_WEIGHTS = new Set(['training_args.bin', 'optimizer.pt', 'scheduler.pt', 'scaler.pt']);
/** More than any model has: those of a trillion parameters come in some hundred. */
const MAX_SHARDS = 1_000;
const SHOWN = 5;

/**
 * The file of a folder or repository that holds its weights, or the index of those that do.
 *
 * @param names of its files
 * @param where names the folder in messages
 * @throws BadInput if there is none, or no telling which
 */
export function chooseWeights(names: string[], where: string): string {
  const usual = USUAL.find((name) => names.includes(name));
  if (usual) return usual;
  for (const kind of KINDS) {
    const [first, ...others] = names.filter((name) => kind.test(name) && !NO_WEIGHTS.has(name)).sort();
    if (!first) continue;
    if (others.length === 0) return first;
    throw new BadInput(
      `${where}: has ${others.length + 1} files that may be the weights (${shown([first, ...others])}): ` +
        'name the one that is wanted',
    );
  }
  throw new BadInput(
    `${where}: has no weights; expected ${USUAL[0]}, ${USUAL[1]}, ${USUAL[2]} or another .safetensors, .pth or .bin file` +
      `${names.length > 0 ? `, but there are ${shown(names)}` : ''}`,
  );
}

function shown(names: string[]): string {
  return `${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ', …' : ''}`;
}

/** Whether a file is an index of shards, by its name. */
export function isShardIndex(file: string): boolean {
  return file.endsWith('.index.json');
}

/**
 * Which file holds each tensor, by an index as transformers writes it beside shards.
 *
 * @returns the file's name beside the index, by the tensor's name
 * @throws BadData if it is no such index, or names files that do not lie beside it
 */
export function parseShardIndex(name: string, bytes: Uint8Array): Map<string, string> {
  const json: unknown = parseJson(bytes, name);
  const map = typeof json === 'object' && json !== null && 'weight_map' in json ? json.weight_map : null;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new BadData(`${name}: has no weight_map; expected an index of shards as transformers writes it`);
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !/^[^/\\]+$/.test(file) || /^\.{1,2}$/.test(file))
      throw new BadData(
        `${name}: says that ${tensor} lies in ${JSON.stringify(file)}; expected the name of a file beside the index`,
      );
    files.set(tensor, file);
  }
  if (files.size === 0) throw new BadData(`${name}: its weight_map names no tensor`);
  const shards = new Set(files.values()).size;
  if (shards > MAX_SHARDS) throw new BadData(`${name}: names ${shards} files, more than ${MAX_SHARDS}`);
  return files;
}
