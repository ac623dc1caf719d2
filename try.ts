import { makeDemo } from './cli/demo/make-demo.ts';
import { compareGolden } from './cli/golden/golden.ts';

console.time('make');
const f = await makeDemo('.tessera/demo', (s) => {});
console.timeEnd('make');
console.log(f);
