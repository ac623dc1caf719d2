import type { Client } from '@temporalio/client';
import { expect, test } from 'vitest';
import { isSearchable } from '../../activities/is-searchable.ts';
import { SEARCH_ATTRIBUTES } from '../../core/config/listing.ts';

/** Temporal's `IndexedValueType`. */
const TYPES = { Keyword: 2, Double: 4 };

function clientOf(listSearchAttributes: () => Promise<unknown>): Client {
  const connection = {
    withDeadline: (_: number, ask: () => unknown) => ask(),
    operatorService: { listSearchAttributes },
  };
  return { connection, options: { namespace: 'default' } } as unknown as Client;
}

const all = Object.fromEntries(Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, TYPES[type]]));

test.each([
  ['all', all, true],
  ['none', {}, false],
  ['one missing', { ...all, TesseraState: undefined }, false],
  ['one of another type', { ...all, TesseraMIoU: TYPES.Keyword }, false],
])('a namespace with %s of the attributes', async (_, customAttributes, expected) => {
  expect(await isSearchable(clientOf(async () => ({ customAttributes })))).toBe(expected);
});

test('a server that gives no right to ask has none, and fails no run', async () => {
  const refused = () => Promise.reject(new Error('7 PERMISSION_DENIED: Request unauthorized.'));
  expect(await isSearchable(clientOf(refused))).toBe(false);
});
