/* A worker thread doesn't inherit its parent's loaders: this teaches it TypeScript, then starts it. */
import { register } from 'tsx/esm/api';

register();
await import('./stitcher-thread.ts');
