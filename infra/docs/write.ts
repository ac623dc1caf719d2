import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PACKAGE } from '../../workers/environment.ts';
import { referencePages } from './pages.ts';

// Writes docs/reference: `npm run docs`.
const folder = path.join(PACKAGE, 'docs/reference');
const pages = referencePages();
await mkdir(folder, { recursive: true });
for (const file of await readdir(folder)) if (!pages.has(file)) await rm(path.join(folder, file));
for (const [file, text] of pages) await writeFile(path.join(folder, file), text);
console.log(`docs/reference: ${pages.size} pages`);
