import { writeFile } from 'node:fs/promises';
import { isConfigFile } from '../../activities/plan/config-file.ts';
import { BadInput } from '../../core/config/failures.ts';
import type { ConfigsFromOptions } from '../commands/configs.ts';
import { composeConfig } from './compose.ts';
import { readModelSource } from './model-source.ts';

/** Prints a config for a model that describes itself, or writes it to a file. @throws BadInput naming what is wrong */
export async function configFromModel(model: string, options: ConfigsFromOptions): Promise<void> {
  const { out } = options;
  if (out !== undefined && !isConfigFile(out))
    throw new BadInput(`--out ${out}: expected a name that ends in .yaml`);
  const text = await composeConfig(await readModelSource(model, process.env), options);
  if (out === undefined) return console.log(text.trimEnd());
  await writeFile(out, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw new BadInput(`--out ${out}: ${error.message}`);
    throw new BadInput(`--out ${out}: the file exists; remove it, or choose another name`);
  });
  console.log(out);
}
