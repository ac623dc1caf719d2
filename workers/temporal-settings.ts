import { accessSync, constants } from 'node:fs';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { BadInput } from '../core/config/failures.ts';

/** How Temporal is reached. */
export interface TemporalSettings {
  namespace: string;
  connection: ClientConnectConfig['connectionOptions'] & { address: string };
}

/** Variables of Temporal's that name files. */
const FILES = [
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
];
/**
 * How Temporal is reached, by Temporal's own standard variables (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
 * TEMPORAL_TLS_…); without them, a server on this machine. A profile in a file counts only where TEMPORAL_CONFIG_FILE
 * names it: a laptop's default profile must not send a demo elsewhere.
 *
 * @throws BadInput if a file can't be read, or a setting makes no sense
 */
export function temporalSettings(env: NodeJS.ProcessEnv = process.env): TemporalSettings {
  for (const name of FILES) if (env[name]) ensureReadable(name, env[name]);
  const has = (part: string) =>
    Boolean(env[`TEMPORAL_TLS_CLIENT_${part}_PATH`] ?? env[`TEMPORAL_TLS_CLIENT_${part}_DATA`]);
  if (has('CERT') !== has('KEY'))
    throw new BadInput(
      'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH go together, but only one of them is set',
    );
  try {
    const { namespace, connectionOptions } = loadClientConnectConfig({
      disableFile: !env.TEMPORAL_CONFIG_FILE,
      overrideEnvVars: definedOnly(env),
    });
    return {
      namespace: namespace ?? 'default',
      connection: { ...connectionOptions, address: connectionOptions.address ?? '127.0.0.1:7233' },
    };
  } catch (cause) {
    throw new BadInput(`the TEMPORAL_ variables make no sense: ${messageOf(cause)}`, { cause });
  }
}

/** Environment files and pods set variables to nothing to mean that they are not set. */
function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}

function ensureReadable(name: string, file: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (cause) {
    throw new BadInput(`${name}: ${file} can't be read: ${messageOf(cause).split(',', 1)[0]}`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
