import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { featureOf, IMAGES } from '../../../core/model/features-graph.ts';
import { openSession, runSession, tensor } from '../../onnx/session.ts';
import { threadFailure } from '../../onnx/thread-failure.ts';
import type { ExtractorOptions, FromExtractor, ToExtractor } from './extractor-protocol.ts';

/* The backbone's thread: ONNX Runtime blocks the thread it is called on. Normalised crops in, features out. */
const port = parentPort as MessagePort;
const { modelFile, dataFolder = null, config } = workerData as ExtractorOptions;

function send(message: FromExtractor, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function fail(error: unknown): void {
  send(threadFailure(error));
}

async function main(): Promise<void> {
  const { batch, device, threads } = config.run;
  const { imageSizePx: side, taps } = config.model.backbone;
  const session = await openSession(modelFile, { device, threads, dataFolder });
  const extract = async (images: Float32Array) => {
    const outputs = await runSession(session, { [IMAGES]: tensor(images, [batch, side, side, 3]) }, device);
    // A copy: what ONNX Runtime has allocated can't be moved to another thread.
    const features = taps.map((_, tap) => new Float32Array(outputs[featureOf(tap)]!.data as Float32Array));
    send(
      { type: 'features', features },
      features.map(({ buffer }) => buffer),
    );
  };

  let queue: Promise<void> = Promise.resolve();
  port.on('message', (message: ToExtractor) => {
    if (message.type === 'extract') queue = queue.then(() => extract(message.images)).catch(fail);
    // Without its port nothing keeps the thread alive.
    else
      queue = queue
        .then(() => session.release())
        .catch(fail)
        .finally(() => port.close());
  });
  send({ type: 'ready' });
}

main().catch(fail);
