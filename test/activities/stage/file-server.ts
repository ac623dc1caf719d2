import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

/** What goes wrong with one request: a status instead of an answer, a line that breaks or falls silent, another file. */
type Fault =
  | { status: number; headers?: Record<string, string>; body?: string }
  | { dropAfter: number }
  | { stallAfter: number }
  | { change: Partial<Served> }
  | null;

interface Served {
  bytes: Buffer;
  etag?: string | undefined;
  lastModified?: string;
  /** Whether it answers ranges. */
  ranges: boolean;
  /** Whether it looks at If-Range. */
  conditions: boolean;
  /** Whether it compresses for whom takes that, and for others as well. */
  gzip: 'no' | 'where wanted' | 'always';
  /** Whether it tells the size. */
  length: boolean;
}

/**
 * A web server with one file, which can be made to fail: `faults` are those of the next requests, one each.
 *
 * @param arrived whether so many bytes have arrived: a line breaks then, since a client loses what it hasn't read yet
 */
export async function fileServer(
  bytes: Buffer,
  options: Partial<Served> = {},
  arrived: (count: number) => boolean = () => true,
) {
  const served: Served = {
    bytes,
    etag: '"1"',
    ranges: true,
    conditions: true,
    gzip: 'no',
    length: true,
    ...options,
  };
  const faults: Fault[] = [];
  const requests: { range: string | undefined; status: number; bodyBytes: number }[] = [];
  const server = createServer((request, response) => {
    const fault = faults.shift() ?? null;
    if (fault && 'change' in fault) Object.assign(served, fault.change);
    const { status, headers, body } = fault && 'status' in fault ? failure(fault) : answer(served, request);
    requests.push({ range: request.headers.range, status, bodyBytes: body.length });
    response.writeHead(status, headers);
    send(response, body, fault, arrived);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { served, faults, requests, url: `http://127.0.0.1:${port}/models/backbone.pth` };
}

function failure({
  status,
  headers = {},
  body = '<html>sorry</html>',
}: {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}) {
  return { status, headers, body: Buffer.from(body) };
}

function answer(
  { bytes, etag, lastModified, ranges, conditions, gzip, length }: Served,
  { headers }: IncomingMessage,
) {
  const identity = {
    ...(etag ? { ETag: etag } : {}),
    ...(lastModified ? { 'Last-Modified': lastModified } : {}),
  };
  const wantsGzip = headers['accept-encoding']?.includes('gzip') ?? false;
  if (gzip === 'always' || (gzip === 'where wanted' && wantsGzip)) {
    const body = gzipSync(bytes);
    return {
      status: 200,
      headers: { ...identity, 'Content-Encoding': 'gzip', 'Content-Length': body.length },
      body,
    };
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  const condition = conditions ? headers['if-range'] : undefined;
  // By RFC 9110 a weak ETag never matches.
  const isSame =
    condition === undefined || condition === lastModified || (condition === etag && !etag?.startsWith('W/'));
  if (!range || !ranges || !isSame)
    return {
      status: 200,
      headers: { ...identity, ...(length ? { 'Content-Length': bytes.length } : {}) },
      body: bytes,
    };
  const first = Number(range[1]);
  if (first >= bytes.length) return { status: 416, headers: {}, body: Buffer.alloc(0) };
  const last = Math.min(range[2] ? Number(range[2]) : Number.POSITIVE_INFINITY, bytes.length - 1);
  const body = bytes.subarray(first, last + 1);
  const contentRange = `bytes ${first}-${last}/${bytes.length}`;
  return {
    status: 206,
    headers: { ...identity, 'Content-Range': contentRange, 'Content-Length': body.length },
    body,
  };
}

async function send(
  response: ServerResponse,
  body: Buffer,
  fault: Fault,
  arrived: (count: number) => boolean,
) {
  if (fault && 'dropAfter' in fault) {
    response.write(body.subarray(0, fault.dropAfter));
    await sleep(20);
    // The bytes may never arrive, where the client has gone.
    for (let i = 0; i < 2_000 && !arrived(fault.dropAfter); i++) await sleep(5);
    response.destroy();
  } else if (fault && 'stallAfter' in fault) {
    response.write(body.subarray(0, fault.stallAfter));
  } else {
    response.end(body);
  }
}
