// Holds a stack until it is told to end: `node --import tsx hold-stack.ts STATE_DIR`.
import { startStack } from '../../../infra/local/stack.ts';

const stack = await startStack({ stateDir: process.argv[2]! });
process.once('SIGINT', () => stack[Symbol.asyncDispose]());
console.log('ready');
