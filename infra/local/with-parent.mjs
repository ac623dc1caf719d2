// Runs a command that cannot outlive whoever started this: `node with-parent.mjs GRACE_MS COMMAND [ARGS]`,
// with a pipe as file descriptor 3. However the other end's process dies, SIGKILL included, the kernel closes
// the pipe. Linux could do without (PR_SET_PDEATHSIG), macOS couldn't.
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

// An orphan gets SIGTERM, and SIGKILL after the grace.
const [graceMs, command, ...args] = process.argv.slice(2);
let orphaned = false;

// Who starts us makes us the leader of a process group, so this takes the command, its children and us.
const killGroup = () => process.kill(-process.pid, 'SIGKILL');

const child = spawn(command, args, { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));

child.once('error', (error) => {
  console.error(`cannot run ${command}: ${error.message}`);
  process.exit(127);
});
child.once('exit', (code, signal) => {
  if (orphaned) killGroup();
  if (!signal) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});

new Socket({ fd: 3 })
  .on('error', () => {})
  .once('close', () => {
    orphaned = true;
    child.kill('SIGTERM');
    setTimeout(killGroup, Number(graceMs));
  })
  .resume();
