import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { BadInput } from '../../core/config/failures.ts';

/** A YAML or JSON file's value. @throws BadInput naming the file if it isn't there, or is no YAML */
export async function readYaml(file: string, where: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const isFolder = (error as NodeJS.ErrnoException).code === 'EISDIR';
    throw new BadInput(`${where}: ${isFolder ? 'is a folder; expected a YAML file' : 'no such file'}`);
  }
  try {
    return parse(text);
  } catch (error) {
    throw new BadInput(`${where}: not valid YAML: ${error instanceof Error ? error.message : error}`);
  }
}
