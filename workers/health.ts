import { once } from 'node:events';
import { createServer } from 'node:http';
import { BadInput } from '../core/config/failures.ts';

/**
 * Answers a kubelet's probes: `/livez` is 200 while the event loop turns; `/readyz` is 200 while the worker is
 * RUNNING, else 503 with its state.
 *
 * @param state of the Temporal worker, or what comes before it
 * @returns the port that it listens on; 0 asks for any
 * @throws BadInput if it can't be had
 */
export async function serveHealth(port: number, state: () => string): Promise<number> {
  const server = createServer(({ method, url }, response) => {
    const answer = method === 'GET' ? answerTo(url, state()) : null;
    response.writeHead(answer?.status ?? 404, { 'content-type': 'text/plain' });
    response.end(`${answer?.text ?? 'not found'}\n`);
  });
  server.listen(port);
  server.unref();
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new BadInput(`TESSERA_HEALTH_PORT: can't listen on ${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}

function answerTo(url: string | undefined, state: string): { status: number; text: string } | null {
  if (url === '/livez') return { status: 200, text: 'ok' };
  if (url === '/readyz') return { status: state === 'RUNNING' ? 200 : 503, text: state };
  return null;
}
