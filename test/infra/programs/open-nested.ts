/* Opens a checkpoint whose notes nest two million tuples, and prints why it is refused. */
import { open, pickle, torchZip } from '../../core/checkpoint/hand-made.ts';

const bytes = torchZip(pickle('}X\x04\x00\x00\x00meta)', '\x85'.repeat(2_000_000), 's'));
console.log(await open(bytes).then(String, (error: Error) => error.message));
