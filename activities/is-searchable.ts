import type { Client } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../core/config/listing.ts';

/** Temporal's `IndexedValueType`. */
const VALUE_TYPES = { Keyword: 2, Double: 4 };

const ANSWER_WITHIN_MS = 2_000;

/**
 * Whether a client's namespace has all search attributes of a run. A server that doesn't say, as one that gives no right
 * to ask, has none: a run must not fail for what only lists show.
 */
export async function isSearchable({ connection, options }: Client): Promise<boolean> {
  try {
    const { customAttributes } = await connection.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      connection.operatorService.listSearchAttributes({ namespace: options.namespace }),
    );
    return Object.entries(SEARCH_ATTRIBUTES).every(
      ([name, type]) => customAttributes[name] === VALUE_TYPES[type],
    );
  } catch {
    return false;
  }
}
