import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export const REPO = 'org/vit';
export const COMMIT = 'a'.repeat(40);
const LATER = 'b'.repeat(40);

type Files = Record<string, Buffer>;

/** What goes wrong with one request to the Hub (not its CDN): an answer instead. */
export interface Fault {
  status: number;
  headers?: Record<string, string>;
}

export interface Asked {
  /** The Hub itself, or where it keeps large files. */
  server: 'hub' | 'cdn';
  path: string;
  range: string | undefined;
  token: string | undefined;
}

/** Settings of a Hub that a test may change while it runs. */
interface Served {
  /** Files of each commit. */
  commits: Record<string, Files>;
  /** What branches name. */
  branches: Record<string, string>;
  gated: boolean;
  /** Who may read a gated repository. */
  members: string[];
  /** Sends pointers in place of large files, as a mirror may that has none. */
  pointers: boolean;
  /** Its CDN's addresses are refused from now on, as expired ones are. */
  expired: boolean;
  /** Bytes after which the CDN's next answer breaks off. */
  dropAfter: number | null;
  pageSize: number;
}

/**
 * A server that answers as the Hub does, with another one as its CDN: `/api/models/…/revision`, `…/tree`, and `/resolve/`
 * with redirects for large files (`.safetensors`, `.bin`).
 *
 * @see huggingface_hub 1.0 `hf_api.py`, `file_download.py` `get_hf_file_metadata`
 */
export async function fakeHub(files: Files, settings: Partial<Served> = {}) {
  const served: Served = {
    commits: { [COMMIT]: files },
    branches: { main: COMMIT },
    gated: false,
    members: [],
    pointers: false,
    expired: false,
    dropAfter: null,
    pageSize: 1000,
    ...settings,
  };
  const requests: Asked[] = [];
  const faults: Fault[] = [];
  const note = (server: Asked['server'], { url = '', headers }: IncomingMessage) =>
    requests.push({
      server,
      path: decodeURIComponent(url.split('?')[0]!),
      range: headers.range,
      token: headers.authorization?.replace(/^Bearer /, ''),
    });
  const cdn = await listen((request, response) => {
    note('cdn', request);
    if (served.expired && !request.url!.includes('fresh')) return void send(response, 403, {});
    const [, commit, ...path] = new URL(request.url!, 'http://cdn').pathname
      .split('/')
      .map(decodeURIComponent);
    sendFile(request, response, served.commits[commit!]![path.join('/')]!, served);
  });
  const hub = await listen((request, response) => {
    note('hub', request);
    const fault = faults.shift();
    if (fault) return void send(response, fault.status, fault.headers ?? {});
    answer(request, response, served, cdn);
  });
  return {
    endpoint: hub,
    cdn,
    served,
    requests,
    faults,
    /** Another commit becomes the main branch. */
    move(changed: Files) {
      served.commits[LATER] = changed;
      served.branches.main = LATER;
    },
  };
}

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  served: Served,
  cdn: string,
): ServerResponse {
  const { pathname, searchParams } = new URL(request.url!, 'http://hub');
  const error = (status: number, code: string) =>
    send(response, status, { 'X-Error-Code': code, 'X-Error-Message': `Words about ${code}.` });
  const match = /^(?:\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.*))?$/.exec(
    pathname,
  );
  const [, repo, action, encoded = '', encodedPath = ''] = match ?? [];
  // The Hub tells strangers nothing of private repositories.
  if (repo !== REPO) return error(401, 'RepoNotFound');
  const token = request.headers.authorization?.replace(/^Bearer /, '');
  if (action === 'resolve' && served.gated && !served.members.includes(token ?? ''))
    return error(token ? 403 : 401, 'GatedRepo');
  const revision = decodeURIComponent(encoded);
  const commit = served.branches[revision] ?? revision;
  const files = served.commits[commit];
  if (!files) return error(404, 'RevisionNotFound');
  const path = decodeURIComponent(encodedPath);
  if (action === 'revision') return json(response, { sha: commit, id: repo });
  if (action === 'tree') return tree(response, { files, folder: path, pathname, searchParams, served });
  const bytes = files[path];
  if (!bytes) return error(404, 'EntryNotFound');
  if (!isLarge(path)) return sendFile(request, response, bytes, served, { 'X-Repo-Commit': commit });
  if (served.pointers) {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`;
    return sendFile(request, response, Buffer.from(pointer), served, { 'X-Repo-Commit': commit });
  }
  return send(response, 302, {
    Location: `${cdn}/${commit}/${path}?signature=${served.expired ? 'fresh' : 'x'}`,
    'X-Repo-Commit': commit,
    'X-Linked-Etag': `"${sha256(bytes)}"`,
    'X-Linked-Size': `${bytes.length}`,
  });
}

function tree(
  response: ServerResponse,
  {
    files,
    folder,
    pathname,
    searchParams,
    served,
  }: { files: Files; folder: string; pathname: string; searchParams: URLSearchParams; served: Served },
): ServerResponse {
  const inside = folder ? `${folder}/` : '';
  const entries = Object.entries(files)
    .filter(([path]) => path.startsWith(inside) && !path.slice(inside.length).includes('/'))
    .map(([path, bytes]) => ({
      type: 'file',
      oid: 'c'.repeat(40),
      path,
      size: bytes.length,
      ...(isLarge(path) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
    }));
  if (entries.length === 0 && folder)
    return send(response, 404, { 'X-Error-Code': 'EntryNotFound', 'X-Error-Message': 'no such folder' });
  const from = Number(searchParams.get('cursor') ?? 0);
  const next = from + served.pageSize;
  const more = next < entries.length;
  return json(
    response,
    entries.slice(from, next),
    more ? { Link: `<${pathname}?cursor=${next}>; rel="next"` } : {},
  );
}

function isLarge(path: string): boolean {
  return /\.(safetensors|bin)$/.test(path);
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  served: Served,
  headers: Record<string, string> = {},
): ServerResponse {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined)
    return send(response, 200, { ...headers, 'Content-Length': `${bytes.length}` }, bytes);
  const body = bytes.subarray(Number(first), Number(last) + 1);
  const range = { 'Content-Range': `bytes ${first}-${Number(first) + body.length - 1}/${bytes.length}` };
  response.writeHead(206, { ...headers, ...range, 'Content-Length': `${body.length}` });
  const drop = served.dropAfter;
  if (drop === null || drop >= body.length) return response.end(body);
  served.dropAfter = null;
  response.write(body.subarray(0, drop), () => response.destroy());
  return response;
}

function json(
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
): ServerResponse {
  return send(
    response,
    200,
    { ...headers, 'Content-Type': 'application/json' },
    Buffer.from(JSON.stringify(value)),
  );
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Buffer = Buffer.alloc(0),
): ServerResponse {
  return response.writeHead(status, headers).end(body);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
