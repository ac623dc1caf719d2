import { isIPv6 } from 'node:net';
import os from 'node:os';
import { BadInput } from '../../../core/config/failures.ts';
import type { Endpoint } from './feature-server.ts';

/**
 * The address that a trainer listens on: `TESSERA_HOST` (default: the machine's first external address) and
 * `TESSERA_FEATURE_PORT` (default: any free port). An IPv6 address has brackets.
 *
 * @throws BadInput for an invalid port
 */
export function featureEndpoint(env: NodeJS.ProcessEnv = process.env): Endpoint {
  const { TESSERA_HOST: host, TESSERA_FEATURE_PORT: text } = env;
  const port = Number(text || 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new BadInput(`TESSERA_FEATURE_PORT: '${text}' is not a port (1 to 65535)`);
  return { host: host && isIPv6(host) ? `[${host}]` : host || firstAddress(), port };
}

function firstAddress(): string {
  const addresses = Object.values(os.networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}
