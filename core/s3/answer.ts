/** What a store answered a request that failed, as far as it helps to say why. */
export interface StoreAnswer {
  /** S3's word, such as `NoSuchKey`; empty where the answer has none. */
  code: string;
  status: number | undefined;
  /** The store's own words. */
  message: string;
  /** Where the bucket lies, if the answer says so. */
  region: string | undefined;
  /** Of an archived object. */
  storageClass: string | undefined;
  isDeleteMarker: boolean;
  /** Minutes between this machine's clock and the server's, if the answer gives both times. */
  clockSkewMinutes: number | undefined;
  /** How long the store asks to wait. */
  retryAfterMs: number | undefined;
}

/** An answer that no S3 store gives: a proxy's, or a web server's. Shaped as the SDK's errors, whose retries read it. */
export class ForeignAnswer extends Error {
  override readonly name = 'ForeignAnswer';
  readonly $metadata: { httpStatusCode: number };
  readonly $response: HttpAnswer;

  /** @param words the beginning of its body, or the address that it redirects to */
  constructor(answer: HttpAnswer, words: string) {
    super(words);
    this.$metadata = { httpStatusCode: answer.statusCode };
    this.$response = answer;
  }
}

export interface HttpAnswer {
  statusCode: number;
  headers: Record<string, string>;
}

/** Answers to these have an ETag in every store: without it nothing was read, and nothing was written. */
const HAS_ETAG = new Set(['GetObjectCommand', 'HeadObjectCommand', 'PutObjectCommand', 'UploadPartCommand']);

/**
 * Whether an answer can't be a store's: web pages and redirects come from captive portals, proxies, and web servers.
 *
 * @param command the SDK's name of the operation
 */
export function isForeign({ statusCode, headers }: HttpAnswer, command: string): boolean {
  if (Object.keys(headers).some((name) => name.startsWith('x-amz-'))) return false;
  const isText = /^text\/(html|plain)/i.test(headers['content-type'] ?? '');
  if (statusCode >= 200 && statusCode < 300)
    return HAS_ETAG.has(command) ? !headers.etag : /^text\/html/i.test(headers['content-type'] ?? '');
  if (statusCode >= 300 && statusCode < 400) return isText || headers.location !== undefined;
  return statusCode === 407 || statusCode === 511 || isText;
}

/** Reads the SDK's error. Null for one that is no answer, such as a lost connection. */
export function storeAnswer(error: unknown): StoreAnswer | null {
  if (!(error instanceof Error) || !('$metadata' in error)) return null;
  const fields = error as unknown as Record<string, unknown>;
  const { httpStatusCode: status } = error.$metadata as { httpStatusCode?: number };
  if (status === undefined) return null;
  const { headers = {} } = (fields.$response ?? {}) as Partial<HttpAnswer>;
  // The SDK puts these two words where an answer has none.
  const code = ['Unknown', 'Error', 'NotFound'].includes(error.name) ? '' : error.name;
  const message = error.message === 'UnknownError' ? '' : error.message;
  return {
    code,
    status,
    message: shortened(message),
    region:
      headers['x-amz-bucket-region'] ??
      text(fields.Region) ??
      /expecting '([\w-]+)'/.exec(message)?.[1] ??
      /\bs3[.-]([a-z]+(?:-[a-z]+)+-\d)\.amazonaws/.exec(text(fields.Endpoint) ?? '')?.[1],
    storageClass: text(fields.StorageClass),
    isDeleteMarker: headers['x-amz-delete-marker'] === 'true',
    clockSkewMinutes: minutesBetween(text(fields.ServerTime), text(fields.RequestTime)),
    retryAfterMs: retryAfterMs(headers['retry-after']),
  };
}

/** `Retry-After` as seconds; a date is left to the usual backoff. */
export function retryAfterMs(header: string | null | undefined): number | undefined {
  return header && /^\d+$/.test(header) ? Number(header) * 1000 : undefined;
}

/** One line of what may be a page. */
export function shortened(words: string, length = 300): string {
  const line = words
    .replace(/<(style|script)[^>]*>.*?<\/\1>|<[^>]*>/gis, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return line.length > length ? `${line.slice(0, length)}…` : line;
}

function text(field: unknown): string | undefined {
  return typeof field === 'string' && field !== '' ? field : undefined;
}

function minutesBetween(a: string | undefined, b: string | undefined): number | undefined {
  const [first, second] = [a, b].map((time) => Date.parse(extended(time ?? '')));
  const minutes = Math.round(Math.abs(first! - second!) / 60_000);
  return Number.isNaN(minutes) ? undefined : minutes;
}

/** `20260101T000000Z` as `2026-01-01T00:00:00Z`. */
function extended(time: string): string {
  return time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
}
