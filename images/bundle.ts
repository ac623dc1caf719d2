import { writeFile } from 'node:fs/promises';
import { workflowBundle } from '../workers/workflow-bundle.ts';

/** Writes the workflows' bundle that an image ships: `node --import tsx images/bundle.ts FILE`. */
const { code } = (await workflowBundle()) as { code: string };
await writeFile(process.argv[2]!, code);
