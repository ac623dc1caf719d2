import { linear } from './linear.ts';
import { upernet } from './upernet.ts';

/** All heads, by their type in a config. */
export const HEADS = { linear, upernet };
