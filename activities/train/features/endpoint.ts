import { isIPv6 } from 'node:net';
import os from 'node:os';
import { BadInput } from '../../../core/config/failures.ts';
import type { Endpoint } from './feature-server.ts';

/**
 * Where a trainer listens, by `TESSERA_HOST` (else the machine's first address that others reach) and
 * `TESSERA_FEATURE_PORT` (else any free port). An address of IPv6 has brackets, as it stands before a port.
 *
 * @throws BadInput for a port that is none
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
