import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { BadData, BadInput, TypedFailure, Unavailable } from '../core/config/failures.ts';
import { networkFailure } from '../core/network-failure.ts';
import { retryAfterMs, shortened } from '../core/s3/answer.ts';

/** Failures in a row without progress: half a minute of waiting in all. Then Temporal has its own, longer retries. */
const RETRIES = 4;
const BACKOFF_MS = 2_000;
/** What a server may ask to wait before the next request. */
const MAX_RETRY_AFTER_MS = 30_000;
/** Of an error's page. */
const PAGE_CHARACTERS = 4096;
/** These may pass by themselves, as every 5xx: a timeout, "too early", "too many requests". */
const PASSING = new Set([408, 425, 429]);

/** What a server says about a file. */
export interface Remote {
  sizeBytes: number;
  /** The ETag, or the time of the last change where there is none; null if the server sends neither. */
  etag: string | null;
  /** For `If-Range`: with it a range is of this very file. Null if the server doesn't serve ranges so. */
  validator: string | null;
}

/**
 * Asks for a file's first byte: unlike HEAD this works with signed URLs as well, and shows whether ranges do.
 *
 * @param name the URL without its query, which may hold a signature: what messages and records call it
 * @throws BadInput if the server refuses or doesn't tell the size, BadData for an empty file, Unavailable
 */
export async function probe(url: URL, name: string, signal: AbortSignal): Promise<Remote> {
  const response = await request(url, name, { Range: 'bytes=0-0' }, signal);
  await response.body?.cancel();
  return remoteOf(name, response);
}

/** What the headers of an answer (200 or 206) say. */
export function remoteOf(name: string, { status, headers }: Response): Remote {
  const size =
    status === 206
      ? /^bytes \d+-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
      : headers.get('content-length');
  if (!size || (headers.get('content-encoding') ?? 'identity') !== 'identity')
    throw new BadInput(`${name}: the server does not tell the file's size; download it and stage the file`);
  const etag = headers.get('etag');
  const changed = headers.get('last-modified');
  // A weak ETag stands for files that are alike, not for the same bytes.
  const strong = etag?.startsWith('W/') ? null : etag;
  return {
    sizeBytes: Number(size),
    etag: etag ?? changed,
    validator: status === 206 ? (strong ?? changed) : null,
  };
}

/** A GET whose answer is 200 or 206, its body not yet read. @throws as `probe` */
export async function request(
  url: URL,
  name: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const identity = { 'Accept-Encoding': 'identity' };
  const response = await fetch(url, { headers: { ...identity, ...headers }, signal }).catch((error) => {
    throw lostConnection(name, error, signal);
  });
  const { status } = response;
  if (status === 200 || status === 206) {
    if (!/^text\/html/i.test(response.headers.get('content-type') ?? '')) return response;
    await response.body?.cancel();
    throw new BadInput(
      `${name}: the server sends a web page: a sign-in page, or that of a network? Open the URL in a browser`,
    );
  }
  const words = await wordsOf(response);
  if (status === 416) throw new BadData(`${name}: an empty file`);
  const what = `${name}: the server answers ${status} ${response.statusText}`.trimEnd() + words;
  if (status === 511) throw new BadInput(`${what}; the network wants a sign-in: sign in there`);
  const wait = retryAfterMs(response.headers.get('retry-after'));
  if (status >= 500 || PASSING.has(status))
    throw new Unavailable(what, wait === undefined ? {} : { retryAfterMs: wait });
  throw new BadInput(
    /expired/i.test(words)
      ? `${what}; make a new signed URL`
      : `${what}; check the URL, and that it may be read without signing in`,
  );
}

/** What an error's page says: S3's code and message, of a signed URL. */
async function wordsOf(response: Response): Promise<string> {
  const isXml = /xml/i.test(response.headers.get('content-type') ?? '');
  const page = isXml ? (await response.text().catch(() => '')).slice(0, PAGE_CHARACTERS) : '';
  await response.body?.cancel().catch(() => {});
  const [code, message] = ['Code', 'Message'].map(
    (tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(page)?.[1],
  );
  return code ? ` (${shortened([code, message].filter(Boolean).join(': '))})` : '';
}

/** The failure of a connection, unless it is our own stop or is known already. */
export function lostConnection(name: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof TypedFailure) return error;
  const failure = networkFailure(name, error);
  if (failure instanceof BadInput) return failure;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? ('code' in cause ? cause.code : cause.message) : cause;
  // Of an answer with 407 fetch gives no word.
  if (why === '' || /proxy authentication/i.test(String(why)))
    return new BadInput(`${name}: a proxy before the server wants a sign-in (407): sign in there`, {
      cause: error,
    });
  return new Unavailable(`${name}: the connection was lost: ${why}`, { cause: error });
}

interface Patience {
  signal: AbortSignal;
  backoffMs?: number;
  /** A failure after progress does not count. */
  hasProgressed?: () => boolean;
}

/** Tries again while what is Unavailable may come back, with growing waits. */
export function persistently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  const { signal, backoffMs = BACKOFF_MS, hasProgressed = () => false } = patience;
  return pRetry(work, {
    signal,
    retries: RETRIES,
    factor: 2,
    minTimeout: backoffMs,
    shouldRetry: ({ error }) => error instanceof Unavailable,
    shouldConsumeRetry: () => !hasProgressed(),
    // As long as the server asks for, within reason; the usual wait comes on top.
    onFailedAttempt: async ({ error, retriesLeft }) => {
      if (retriesLeft > 0 && error instanceof Unavailable && error.retryAfterMs)
        await sleep(Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS), undefined, { signal });
    },
  });
}
