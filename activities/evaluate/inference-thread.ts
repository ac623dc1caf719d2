import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { viewKinds } from '../../core/image/views.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import { openSession, runSession, tensor } from '../onnx/session.ts';
import { threadFailure } from '../onnx/thread-failure.ts';
import type { FromInference, InferenceOptions, InferencePhases, ToInference } from './inference-protocol.ts';
import { SlideSegmenter } from './slide-segmenter.ts';
import { Stitcher } from './stitcher.ts';

/*
 * The inference thread: ONNX Runtime blocks the thread it is called on, so it gets one of its own, and
 * heartbeats, downloads and decoding go on beside it. Images come in, label maps go out; logits stay here.
 */
const port = parentPort as MessagePort;
const { modelFile, dataFolder = null, config } = workerData as InferenceOptions;

function send(message: FromInference, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function fail(error: unknown): void {
  send(threadFailure(error));
}

async function main(): Promise<void> {
  const { batch, device, threads } = config.run;
  const phases: InferencePhases = { graph: 0, stitch: 0, batches: 0 };
  const options = { device, threads };
  const started = performance.now();
  const session = await openSession(modelFile, { ...options, dataFolder });
  const stitcher = await Stitcher.open(config.model, viewKinds(config.pipeline).length, options);
  const built = performance.now();
  const side = config.model.backbone.imageSizePx;
  const segment = async (crops: Uint8Array) => {
    const outputs = await runSession(session, { [CROPS]: tensor(crops, [batch, side, side, 3]) }, device);
    return outputs[LOGITS]!.data as Float32Array;
  };
  await segment(new Uint8Array(batch * side * side * 3));

  let closing = false;
  const segmenter = new SlideSegmenter(config.model, batch, {
    async segment(crops) {
      if (closing) throw new Error('the inference thread is closing');
      const start = performance.now();
      const logits = await segment(crops);
      phases.graph += (performance.now() - start) / 1000;
      phases.batches += 1;
      return logits;
    },
    async onImage(image) {
      const start = performance.now();
      const labels = await stitcher.labels(image);
      phases.stitch += (performance.now() - start) / 1000;
      send({ type: 'labels', id: image.id, labels, phases: { ...phases } }, [labels.buffer as ArrayBuffer]);
    },
  });

  // Messages are handled strictly one after the other: the batch in the making is shared by them all.
  let queue: Promise<void> = Promise.resolve();
  port.on('message', (message: ToInference) => {
    if (message.type === 'close') {
      closing = true;
      queue = queue.then(async () => {
        await stitcher[Symbol.asyncDispose]();
        await session.release();
      });
      // Without its port nothing keeps the thread alive.
      queue.catch(fail).finally(() => port.close());
    } else {
      queue = queue
        .then(() => (message.type === 'image' ? segmenter.add(message) : segmenter.flush()))
        .catch(fail);
    }
  });
  send({
    type: 'ready',
    buildSeconds: (built - started) / 1000,
    warmUpSeconds: (performance.now() - built) / 1000,
  });
}

main().catch(fail);
