import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ReadableStream } from 'node:stream/web';
import { z } from 'zod';
import { BadData, BadInput, Unavailable } from '../../core/config/failures.ts';
import { parseAs } from '../../core/config/parse.ts';
import { hubUri } from '../../core/hub/hub-uri.ts';
import type { ByteRange } from '../../core/store.ts';
import { lostConnection, persistently } from '../http-remote.ts';
import { hubFailure } from './hub-failure.ts';

const MAX_REDIRECTS = 5;
/** The Hub's signed addresses of its CDN hold for an hour. */
const CDN_ADDRESS_MS = 5 * 60_000;
/** Of a listing; a page has a thousand files. */
const MAX_PAGES = 50;
/** A Git LFS pointer has some 130 bytes. */
const POINTER_BYTES = 1024;

export interface HubSettings {
  endpoint: string;
  /** Sent to the endpoint's own host only. */
  token: string | null;
  /** Before the first retry of a request. */
  backoffMs?: number;
}

/** `HF_ENDPOINT`, or the Hub itself, and `HF_TOKEN`. @throws BadInput if they are none */
export function hubSettings(env: NodeJS.ProcessEnv): HubSettings {
  const endpoint = (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
    throw new BadInput(`HF_ENDPOINT is ${endpoint}; expected an address such as https://huggingface.co`);
  return { endpoint, token: env.HF_TOKEN?.trim() || null };
}

/** A file of a repository at a commit. */
export interface HubFile {
  repo: string;
  commit: string;
  file: string;
  sizeBytes: number;
  /** Of its bytes; null for small files that Git holds itself. */
  sha256: string | null;
}

export type HubClient = ReturnType<typeof hubClient>;

/** Its pinned address. */
export function uriOf({ repo, commit, file }: Pick<HubFile, 'repo' | 'commit' | 'file'>): string {
  return hubUri({ repo, revision: commit, file });
}

const RevisionSchema = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const TreeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.int().nonnegative(),
    lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() }).optional(),
  }),
);

/** Requests to the Hub. Failures come out typed, naming the `hf://` address. */
export function hubClient({ endpoint, token, backoffMs }: HubSettings) {
  const cdnAddresses = new Map<string, { url: URL; untilMs: number }>();
  const never = new AbortController().signal;
  const origin = new URL(endpoint).origin;
  const askedOf = (repo: string, uri: string) => ({ uri, repo, endpoint, hasToken: token !== null });
  const patiently = <T>(work: () => Promise<T>, signal: AbortSignal) =>
    persistently(work, { signal, ...(backoffMs === undefined ? {} : { backoffMs }) });

  /** A GET that follows redirects, with the token for the endpoint only. Gives the first answer's headers as well. */
  async function get(start: URL, uri: string, headers: Record<string, string>, signal: AbortSignal) {
    let url = start;
    let first: Headers | null = null;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const authorization = token && url.origin === origin ? { Authorization: `Bearer ${token}` } : {};
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { 'Accept-Encoding': 'identity', ...headers, ...authorization },
        signal,
      }).catch((error) => {
        throw lostConnection(uri, error, signal);
      });
      first ??= response.headers;
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null)
        return { response, first, url };
      await response.body?.cancel();
      const next = new URL(location, url);
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw new BadInput(
          `${uri}: the Hub redirects to ${next.origin}, which is not encrypted; check HF_ENDPOINT`,
        );
      url = next;
    }
    throw new BadInput(`${uri}: more than ${MAX_REDIRECTS} redirects; check HF_ENDPOINT`);
  }

  async function getJson<T extends z.ZodType>(
    url: string,
    schema: T,
    { repo, uri, signal }: { repo: string; uri: string; signal: AbortSignal },
  ): Promise<{ value: z.infer<T>; next: string | null }> {
    return patiently(async () => {
      const { response } = await get(new URL(url), uri, { Accept: 'application/json' }, signal);
      if (!response.ok) {
        await response.body?.cancel();
        throw hubFailure(response, askedOf(repo, uri));
      }
      const json: unknown = await response.json().catch(() => {
        throw new BadInput(`${uri}: ${new URL(url).origin} answers what is not JSON; is HF_ENDPOINT a Hub?`);
      });
      const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
      return { value: parseAs(schema, json, `${uri}: the Hub's answer`), next };
    }, signal);
  }

  /** Where a file's bytes are now: the CDN's address that the Hub gave last, or the Hub's own. */
  async function getFile(at: HubFile, range: ByteRange, signal: AbortSignal): Promise<Response> {
    const { repo, commit, file } = at;
    const uri = uriOf(at);
    const headers = { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
    const known = cdnAddresses.get(uri);
    if (known && known.untilMs > Date.now()) {
      const { response } = await get(known.url, uri, headers, signal);
      if (response.status === 206) return response;
      // It has expired, or the CDN has another by now.
      await response.body?.cancel();
      cdnAddresses.delete(uri);
    }
    const path = file.split('/').map(encodeURIComponent).join('/');
    const resolve = new URL(`${endpoint}/${repo}/resolve/${commit}/${path}`);
    const { response, first, url } = await get(resolve, uri, headers, signal);
    if (!response.ok) {
      await response.body?.cancel();
      throw hubFailure(response, askedOf(repo, uri));
    }
    const sent = first.get('x-repo-commit');
    if (sent !== null && sent !== commit) {
      await response.body?.cancel();
      throw new BadData(`${uri}: the Hub sends the file of commit ${sent}; start the run again`);
    }
    if (url.origin !== origin) cdnAddresses.set(uri, { url, untilMs: Date.now() + CDN_ADDRESS_MS });
    return response;
  }

  async function open(at: HubFile, range: ByteRange, signal: AbortSignal): Promise<Readable> {
    const response = await getFile(at, range, signal);
    const uri = uriOf(at);
    const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const isPart = response.status === 206 && total === at.sizeBytes && length === range.length;
    const isWhole = response.status === 200 && length === at.sizeBytes && range.length === length;
    if (isPart || isWhole) return Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    await response.body?.cancel();
    const size = Number.isNaN(total) ? length : total;
    if (size !== at.sizeBytes && size < POINTER_BYTES)
      throw new BadData(
        `${uri}: has ${size} bytes, but the Hub lists ${at.sizeBytes}: a Git LFS pointer in place of the file. ` +
          'Does HF_ENDPOINT name a mirror without the large files?',
      );
    if (size !== at.sizeBytes)
      throw new BadData(`${uri}: has ${size} bytes, but the Hub lists ${at.sizeBytes}; start the run again`);
    throw new Unavailable(`${uri}: another range came than was asked for; does the server serve ranges?`);
  }

  return {
    endpoint,

    /** The commit that a revision is now. @throws BadInput if there is none, Unavailable */
    async resolveCommit(repo: string, revision: string | null, signal = never): Promise<string> {
      const uri = hubUri({ repo, revision, file: null });
      const url = `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision ?? 'main')}`;
      return (await getJson(url, RevisionSchema, { repo, uri, signal })).value.sha;
    },

    /** The files of a folder at a commit, not those below it. @param folder '' for the repository's own */
    async listFiles(repo: string, commit: string, folder: string, signal = never): Promise<HubFile[]> {
      const uri = hubUri({ repo, revision: commit, file: folder || null });
      const path = folder.split('/').map(encodeURIComponent).join('/');
      const found: HubFile[] = [];
      let url: string | null = `${endpoint}/api/models/${repo}/tree/${commit}${path ? `/${path}` : ''}`;
      for (let page = 0; url !== null && page < MAX_PAGES; page++) {
        const { value, next }: Awaited<ReturnType<typeof getJson<typeof TreeSchema>>> = await getJson(
          url,
          TreeSchema,
          { repo, uri, signal },
        );
        for (const { type, path: file, size, lfs } of value)
          if (type === 'file')
            found.push({ repo, commit, file, sizeBytes: lfs?.size ?? size, sha256: lfs?.oid ?? null });
        url = next === null ? null : new URL(next, url).href;
      }
      return found;
    },

    /**
     * A range of a file as a stream.
     *
     * @throws BadInput if it may not be read, BadData if it is not the file that was listed, Unavailable
     */
    async stream(at: HubFile, range: ByteRange, signal = never): Promise<Readable> {
      if (range.length === 0) return Readable.from([]);
      return patiently(() => open(at, range, signal), signal);
    },

    /** @throws as `stream`, and Unavailable for a connection that is lost midway */
    async read(at: HubFile, range: ByteRange, signal = never): Promise<Buffer> {
      if (range.length === 0) return Buffer.alloc(0);
      return patiently(
        async () =>
          buffer(await open(at, range, signal)).catch((error) => {
            throw lostConnection(uriOf(at), error, signal);
          }),
        signal,
      );
    },
  };
}
