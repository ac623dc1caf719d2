import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { CREDITS, cpuSince, MESSAGE_BYTES, MESSAGES, report } from './measure.mjs';

// Core NATS, messages cut into chunks: `node nats.mjs [CHUNK_BYTES]`; 1 MB is the most that a server takes by default.
const chunkBytes = Number(process.argv[2] ?? 1_000_000);
const PORT = 14_222;
const servers = `127.0.0.1:${PORT}`;

async function receive() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nats-'));
  const config = join(folder, 'nats.conf');
  writeFileSync(config, `host: 127.0.0.1\nport: ${PORT}\nmax_payload: ${Math.max(chunkBytes, 2 ** 20)}\n`);
  const program = fileURLToPath(new URL('./bin/nats-server', import.meta.url));
  const server = spawn(program, ['-c', config], { stdio: 'ignore' });
  await sleep(700);
  const connection = await connect({ servers });
  const chunks = connection.subscribe('features');
  const hello = connection.subscribe('hello', { max: 1 });
  await connection.flush();
  const child = fork(fileURLToPath(import.meta.url), [String(chunkBytes), 'send']);
  const sent = once(child, 'message');
  for await (const _ of hello) break;
  const start = performance.now();
  const cpu = process.cpuUsage();
  const before = cpuSecondsOf(server.pid);
  for (let i = 0; i < CREDITS; i++) connection.publish('credit');
  let bytes = 0;
  let asked = CREDITS;
  for await (const { data } of chunks) {
    bytes += data.length;
    if (bytes % MESSAGE_BYTES === 0 && asked++ < MESSAGES) connection.publish('credit');
    if (bytes === MESSAGES * MESSAGE_BYTES) break;
  }
  const seconds = (performance.now() - start) / 1000;
  const spent = { receiver: cpuSince(cpu), server: cpuSecondsOf(server.pid) - before };
  const [sender] = await sent;
  report(`NATS, chunks of ${chunkBytes}`, { bytes, seconds, cpu: { ...spent, sender } });
  await connection.close();
  server.kill();
}

async function send() {
  const connection = await connect({ servers });
  const message = new Uint8Array(MESSAGE_BYTES).fill(7);
  const credits = connection.subscribe('credit', { max: MESSAGES });
  connection.publish('hello');
  const cpu = process.cpuUsage();
  for await (const _ of credits)
    for (let at = 0; at < message.length; at += chunkBytes) {
      connection.publish('features', message.subarray(at, at + chunkBytes));
      // Back-pressure is the sender's own: the server drops what a subscriber doesn't take.
      await connection.flush();
    }
  process.send(cpuSince(cpu), () => process.exit());
}

/** Of another process; Linux only. */
function cpuSecondsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

await (process.argv[3] ? send() : receive());
