// Makes dist/, which an image and the npm package ship: node infra/package/make-dist.mjs [--bundle] [--types]
//   --bundle  with the workflows' bundle, for a control worker
//   --types   with declarations, for who imports the package
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildTo, SHIPPED, sources } from '../local/build.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');

await buildTo(ROOT, DIST, sources(ROOT, SHIPPED));
if (process.argv.includes('--bundle')) {
  const { shipBundle } = await import(pathToFileURL(join(DIST, 'workers/workflow-bundle.js')).href);
  await shipBundle();
}
if (process.argv.includes('--types')) {
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'infra/package'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  for (const file of readdirSync(DIST, { recursive: true }).filter((name) => name.endsWith('.d.ts'))) {
    const path = join(DIST, file);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replaceAll(/(['"]\.{1,2}\/[^'"]+)\.tsx?(['"])/g, '$1.js$2'),
    );
  }
}
