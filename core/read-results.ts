import { parseAs } from './config/parse.ts';
import { parseJson } from './config/parse-json.ts';
import { type Results, ResultsSchema } from './config/results.ts';
import type { Store } from './store.ts';

/** A run's published results. @throws NotFound if there are none, BadData or BadInput if they are damaged */
export async function readResults(store: Store, uri: string): Promise<Results> {
  return parseAs(ResultsSchema, parseJson(await store.read(uri), uri), uri);
}
