import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { CREDITS, cpuSince, MESSAGE_BYTES, MESSAGES, report } from './measure.mjs';

// One stream both ways, messages whole: `node grpc.mjs [FLOW_CONTROL_WINDOW]`.
const window = Number(process.argv[2] ?? 16 * 2 ** 20);
const asIs = (bytes) => bytes;
const coding = {
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};
const service = { Send: { path: '/bench/Send', requestStream: true, responseStream: true, ...coding } };
const options = { 'grpc.max_receive_message_length': -1, 'grpc-node.flow_control_window': window };
const credit = Buffer.alloc(1);

async function receive() {
  const server = new grpc.Server(options);
  const whole = new Promise((resolve) => {
    server.addService(service, {
      Send(call) {
        const start = performance.now();
        const cpu = process.cpuUsage();
        let asked = CREDITS;
        let bytes = 0;
        for (let i = 0; i < CREDITS; i++) call.write(credit);
        call.on('data', (message) => {
          bytes += message.length;
          if (asked++ < MESSAGES) call.write(credit);
        });
        call.on('end', () => {
          resolve({ bytes, seconds: (performance.now() - start) / 1000, receiver: cpuSince(cpu) });
          call.end();
        });
      },
    });
  });
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const child = fork(fileURLToPath(import.meta.url), [String(window), `127.0.0.1:${port}`]);
  const sent = once(child, 'message');
  const { bytes, seconds, receiver } = await whole;
  const [sender] = await sent;
  report(`gRPC, window ${window}`, { bytes, seconds, cpu: { receiver, sender } });
  server.forceShutdown();
}

async function send(address) {
  const Client = grpc.makeGenericClientConstructor(service, 'bench');
  const client = new Client(address, grpc.credentials.createInsecure(), options);
  const call = client.Send();
  const message = Buffer.alloc(MESSAGE_BYTES, 7);
  const cpu = process.cpuUsage();
  let sent = 0;
  call.on('data', () => {
    call.write(message);
    if (++sent === MESSAGES) call.end();
  });
  await once(call, 'end');
  process.send(cpuSince(cpu), () => process.exit());
}

await (process.argv[3] ? send(process.argv[3]) : receive());
