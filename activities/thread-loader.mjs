/* A worker thread doesn't inherit its parent's loaders: from sources it learns TypeScript before its program starts. */
import { workerData } from 'node:worker_threads';

const { program } = workerData;
if (program.endsWith('.ts')) (await import('tsx/esm/api')).register();
await import(program);
