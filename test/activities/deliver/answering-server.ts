import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a store, or something in its place, answers. HEAD gets it without the body. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** The connection is lost after the body, before all that `content-length` promises. */
  isCut?: boolean;
}

export interface Asked {
  method: string;
  bucket: string;
  key: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** An error as S3 writes it. */
export function s3Error(status: number, code: string, message = 'Words of the store.', more = ''): Answer {
  return {
    status,
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': '1' },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`,
  };
}

/** A web page, of a captive portal, a proxy or a web server. */
export function webPage(status: number, title: string, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
    body: `<html><head><title>${title}</title><meta charset=utf-8></head><body><p>${title}<br></body></html>`,
  };
}

/** A server at the place of S3, which gives the answers that a test wants. */
export async function answeringServer(answer: (asked: Asked) => Answer) {
  const requests: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    const [, bucket = '', ...key] = pathname.split('/').map(decodeURIComponent);
    const asked: Asked = {
      method: request.method ?? '',
      bucket,
      key: key.join('/'),
      query: searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    requests.push(asked);
    const { status, headers = {}, body = '', isCut } = answer(asked);
    response.writeHead(status, headers);
    if (isCut) response.write(body, () => response.destroy());
    else response.end(asked.method === 'HEAD' ? undefined : body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
