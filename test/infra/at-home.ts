import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../infra/local/servers.mjs';
import { startNode, temporaryFolder } from './observe.ts';

/** The servers that were built before: it would take minutes to build them anew. */
const SERVERS = '.cache/tessera/bin';

/**
 * Runs a program whose user has an empty home but for the local servers, and has set nothing: ONNX Runtime reports
 * nothing where CI is set.
 *
 * @param env beside it
 * @returns the files that were written there
 */
export async function runAtHome(args: string[], env: Record<string, string> = {}) {
  const home = join(temporaryFolder(), 'home');
  mkdirSync(join(home, SERVERS, '..'), { recursive: true });
  symlinkSync(join(cacheFolder(), 'tessera/bin'), join(home, SERVERS));
  const run = startNode(args, { PATH: process.env.PATH, HOME: home, ...env });
  const code = await run.exited;
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const isNew = (file: string) => !SERVERS.startsWith(file) && !file.startsWith(SERVERS);
  return { code, output: run.output(), written: files.filter(isNew) };
}
