import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BadInput, Unavailable } from '../../core/config/failures.ts';
import { connect } from '../../workers/connection.ts';
import { temporalSettings } from '../../workers/temporal-settings.ts';
import { temporaryFolder } from '../infra/observe.ts';

function files(...names: string[]): string[] {
  const folder = temporaryFolder();
  return names.map((name) => {
    writeFileSync(join(folder, name), name);
    return join(folder, name);
  });
}

describe('how Temporal is reached', () => {
  test('is a server on this machine, if nothing is said', () => {
    const { namespace, connection } = temporalSettings({});
    expect(namespace).toBe('default');
    expect(connection.address).toBe('127.0.0.1:7233');
    expect(connection.tls).toBeUndefined();
    expect(connection.apiKey).toBeUndefined();
  });

  test('is told by Temporal’s own variables; an empty one is none', () => {
    const { namespace, connection } = temporalSettings({
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: '',
      TEMPORAL_API_KEY: 'secret',
    });
    expect(namespace).toBe('default');
    // An API key is never sent in the clear.
    expect(connection).toMatchObject({ address: 'temporal.example:7233', apiKey: 'secret', tls: true });
  });

  test('may be with certificates of both sides', () => {
    const [cert, key, ca] = files('cert', 'key', 'ca');
    const { connection } = temporalSettings({
      TEMPORAL_TLS_CLIENT_CERT_PATH: cert,
      TEMPORAL_TLS_CLIENT_KEY_PATH: key,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca,
    });
    const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();
    if (typeof connection.tls !== 'object' || !connection.tls) throw new Error('no TLS');
    expect(text(connection.tls.clientCertPair?.crt)).toBe('cert');
    expect(text(connection.tls.clientCertPair?.key)).toBe('key');
    expect(text(connection.tls.serverRootCACertificate)).toBe('ca');
  });

  test('may be a profile of a file that is named', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'temporal.toml');
    writeFileSync(file, '[profile.default]\naddress = "cloud.example:7233"\nnamespace = "evals"\n');
    const { namespace, connection } = temporalSettings({ TEMPORAL_CONFIG_FILE: file });
    expect([connection.address, namespace]).toEqual(['cloud.example:7233', 'evals']);
    // But not one that merely lies where Temporal's command line keeps its own.
    expect(temporalSettings({ HOME: folder, XDG_CONFIG_HOME: folder }).connection.address).toBe(
      '127.0.0.1:7233',
    );
  });

  test.each([
    [
      { TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/cert' },
      "TEMPORAL_TLS_CLIENT_CERT_PATH: /no/such/cert can't be read: ENOENT: no such file or directory",
    ],
    [{ TEMPORAL_CONFIG_FILE: '/no/such.toml' }, "TEMPORAL_CONFIG_FILE: /no/such.toml can't be read"],
    [{ TEMPORAL_TLS_CLIENT_KEY_DATA: 'key' }, 'go together, but only one of them is set'],
  ])('is BadInput that names the variable: %o', (env, message) => {
    expect(() => temporalSettings(env)).toThrow(BadInput);
    expect(() => temporalSettings(env)).toThrow(message);
  });
});

describe('a worker that connects', () => {
  test('waits for a server that isn’t there yet, says so once, and gives up in one sentence', async () => {
    const port = await closedPort();
    const lines: string[] = [];
    const settings = temporalSettings({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
    const began = performance.now();
    const failure = await connect(settings, { patienceMs: 4_500, log: (line) => lines.push(line) }).catch(
      (e) => e,
    );
    expect(failure).toBeInstanceOf(Unavailable);
    expect(failure.message).toBe(
      `no Temporal server answers at 127.0.0.1:${port} (TEMPORAL_ADDRESS): Connection refused`,
    );
    expect(performance.now() - began).toBeGreaterThan(3_900);
    expect(lines).toEqual([`${failure.message}; trying again for 5 s`]);
  });

  test('gives up at once where another try would not help', async () => {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const nonsense = connect(temporalSettings({ TEMPORAL_ADDRESS: 'not an address' }), { log });
    await expect(nonsense).rejects.toThrow(BadInput);
    const noKey = connect(
      temporalSettings({ TEMPORAL_TLS_CLIENT_CERT_DATA: 'x', TEMPORAL_TLS_CLIENT_KEY_DATA: 'y' }),
      { log },
    );
    await expect(noKey).rejects.toThrow(BadInput);
    expect(lines).toEqual([]);
  });
});

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}
