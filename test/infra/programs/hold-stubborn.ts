// Ties a shell that ignores SIGTERM, with a child of its own, to this process: `… hold-stubborn.ts MARK`.
import { spawnTied } from '../../../infra/local/processes.ts';

const mark = process.argv[2]!;
spawnTied('sh', ['-c', `trap '' TERM; sh -c 'sleep 60; : ${mark}' & sleep 60; : ${mark}`], {
  output: 'inherit',
});
setInterval(() => {}, 1000);
