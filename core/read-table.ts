import { parseAs } from './config/parse.ts';
import { parseJson } from './config/parse-json.ts';
import { type Table, type TableResult, TableSchema } from './config/table.ts';
import type { Store } from './store.ts';

/** A published table. @throws NotFound if there is none, BadData or BadInput if it is damaged */
export async function readTable(store: Store, uri: string): Promise<Table> {
  return parseAs(TableSchema, parseJson(await store.read(uri), uri), uri);
}

/** What `ReproduceTable` returns of its table. */
export function tableResult({ rows, artifacts }: Table, tableUri: string): TableResult {
  return {
    rows: rows.length,
    failed: rows.filter(({ outcome }) => outcome.kind === 'failed').length,
    tableUri,
    markdownUri: artifacts.markdown,
    pageUri: artifacts.page,
  };
}
