import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Node's arguments for a program of ours: as compiled where we are compiled ourselves; from a clone's sources (the
 * tests) as compiled into TESSERA_BUILD, or by a compiler at run time.
 *
 * @param program its path in the clone, without extension: `workers/gpu`
 */
export function programArguments(program: string): string[] {
  const isCompiled = import.meta.url.endsWith('.js');
  const build = isCompiled ? ROOT : process.env.TESSERA_BUILD;
  if (build) return [path.join(build, `${program}.js`)];
  return ['--import', 'tsx', path.join(ROOT, `${program}.ts`)];
}
