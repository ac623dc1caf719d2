import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { threadFailure } from '../onnx/thread-failure.ts';
import type { FromStitcher, StitcherOptions } from './inference-protocol.ts';
import { stitchImages } from './stitch-images.ts';

/*
 * The stitcher's thread: while the inference thread runs the next batch, images of the last one become label maps. Logits
 * come from there, label maps go to whoever opened both.
 */
const port = parentPort as MessagePort;
const options = workerData as StitcherOptions;

function send(message: FromStitcher, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function fail(error: unknown): void {
  send(threadFailure(error));
}

async function main(): Promise<void> {
  const { buildSeconds, drop, ended } = await stitchImages(options, send);
  // The one message is to close.
  port.on('message', drop);
  // Without its port nothing keeps the thread alive.
  ended.catch(fail).finally(() => port.close());
  send({ type: 'ready', buildSeconds, warmUpSeconds: 0 });
}

main().catch((error) => {
  fail(error);
  options.images.close();
});
