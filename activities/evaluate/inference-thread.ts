import { cropShape } from '../../core/model/crop-shape.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import { windowCount } from '../../core/model/slide-windows.ts';
import { type OwnModel, openOwnModel } from '../onnx/own-model.ts';
import { openSession, runSession, tensor } from '../onnx/session.ts';
import { type Opener, serveThread, type ThreadWork, threadData } from '../serve-thread.ts';
import type { InferenceExchange, ToStitcher, WindowsStitched } from './inference-protocol.ts';
import type { Span } from './overlap.ts';
import { type ImageLogits, SlideSegmenter } from './slide-segmenter.ts';
import { stitchImages } from './stitch-images.ts';

/*
 * The inference thread: ONNX Runtime blocks the thread it is called on, so it gets one of its own, and
 * heartbeats, downloads and decoding continue beside it. Images come in; their logits go to the stitcher.
 */
const { modelFile, dataFolder = null, config, own, stitcher, images } = threadData<InferenceExchange>();
const shape = cropShape(config.model, own?.plan);

/**
 * Batches whose logits may wait for the stitcher's thread, beside one image: of UperNet's, 12 MB a window. Where there is
 * no such thread, each image is stitched before the next batch runs.
 */
const BATCHES_IN_FLIGHT = images ? 0 : 2;

/** A graph of ours, which takes bytes and gives logits. */
async function openOurs(): Promise<OwnModel> {
  const { batch, device, threads } = config.run;
  const session = await openSession(modelFile, { device, threads, dataFolder });
  const dims = [batch, shape.sizePx, shape.sizePx, 3];
  return {
    async segment(crops) {
      const outputs = await runSession(session, { [CROPS]: tensor(crops, dims) }, device);
      return outputs[LOGITS]!.data as Float32Array;
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function open(opener: Opener<InferenceExchange>): Promise<ThreadWork<InferenceExchange>> {
  const { batch } = config.run;
  const graph: ToStitcher['graph'] = { seconds: 0, batches: 0, spans: [] };
  const started = performance.now();
  const model = own ? await openOwnModel(modelFile, own.plan, config, own.name) : await openOurs();
  const stitching = images ? await stitchImages({ config, shape, images }, opener) : null;
  const built = performance.now();
  await model.segment(new Uint8Array(batch * shape.sizePx ** 2 * 3));

  let closing = false;
  let inFlight = 0;
  let onRoom = () => {};
  stitcher.on('message', (windows: WindowsStitched) => {
    inFlight -= windows;
    onRoom();
  });
  // It has ended, and whoever opened both knows why.
  stitcher.on('close', () => {
    closing = true;
    onRoom();
  });

  async function stitch(image: ImageLogits): Promise<void> {
    const windows = image.views.reduce((sum, { grid }) => sum + windowCount(grid), 0);
    inFlight += windows;
    const { id, original, views } = image;
    const message: ToStitcher = { image: { id, original, views }, windows, graph };
    stitcher.postMessage(
      message,
      views.map(({ logits }) => logits.buffer as ArrayBuffer),
    );
    graph.spans = [];
    while (!closing && inFlight > BATCHES_IN_FLIGHT * batch)
      await new Promise<void>((resolve) => {
        onRoom = resolve;
      });
  }

  const segmenter = new SlideSegmenter(shape, batch, {
    async segment(crops) {
      if (closing) throw new Error('the inference thread is closing');
      const span: Span = { start: performance.timeOrigin + performance.now(), end: 0 };
      const logits = await model.segment(crops);
      span.end = performance.timeOrigin + performance.now();
      graph.seconds += (span.end - span.start) / 1000;
      graph.batches += 1;
      graph.spans.push(span);
      return logits;
    },
    onImage: stitch,
  });

  return {
    ready: {
      buildSeconds: (built - started) / 1000,
      warmUpSeconds: (performance.now() - built) / 1000,
    },
    // The batch in the making is shared by all images.
    receive: (message) => (message === 'flush' ? segmenter.flush() : segmenter.add(message)),
    closing() {
      closing = true;
      stitching?.drop();
      onRoom();
    },
    async close() {
      try {
        await model[Symbol.asyncDispose]();
      } finally {
        stitcher.close();
      }
      await stitching?.ended;
    },
  };
}

serveThread<InferenceExchange>(async (_, opener) => {
  try {
    return await open(opener);
  } catch (error) {
    // Then the stitcher ends, here or on its own thread.
    stitcher.close();
    throw error;
  }
});
