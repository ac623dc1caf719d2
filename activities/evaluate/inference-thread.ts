import { cropShape } from '../../core/model/crop-shape.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import { windowCount } from '../../core/model/slide-windows.ts';
import { openSession, runSession, tensor } from '../onnx/session.ts';
import { type Opener, serveThread, type ThreadWork, threadData } from '../serve-thread.ts';
import type { InferenceExchange, ToStitcher, WindowsStitched } from './inference-protocol.ts';
import type { Span } from './overlap.ts';
import { type ImageLogits, SlideSegmenter } from './slide-segmenter.ts';
import { stitchImages } from './stitch-images.ts';

/*
 * The inference thread: ONNX Runtime blocks the thread it is called on, so it gets one of its own, and
 * heartbeats, downloads and decoding go on beside it. Images come in; their logits go to the stitcher.
 */
const { modelFile, dataFolder = null, config, stitcher, images } = threadData<InferenceExchange>();

/**
 * Batches whose logits may wait for the stitcher's thread, beside one image: of UperNet's, 12 MB a window. Where there is
 * no such thread, each image is stitched before the next batch runs.
 */
const BATCHES_IN_FLIGHT = images ? 0 : 2;

async function open(opener: Opener<InferenceExchange>): Promise<ThreadWork<InferenceExchange>> {
  const { batch, device, threads } = config.run;
  const graph: ToStitcher['graph'] = { seconds: 0, batches: 0, spans: [] };
  const started = performance.now();
  const session = await openSession(modelFile, { device, threads, dataFolder });
  const own = images ? await stitchImages({ config, images }, opener) : null;
  const built = performance.now();
  const side = config.model.backbone.imageSizePx;
  const segment = async (crops: Uint8Array) => {
    const outputs = await runSession(session, { [CROPS]: tensor(crops, [batch, side, side, 3]) }, device);
    return outputs[LOGITS]!.data as Float32Array;
  };
  await segment(new Uint8Array(batch * side * side * 3));

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

  const segmenter = new SlideSegmenter(cropShape(config.model), batch, {
    async segment(crops) {
      if (closing) throw new Error('the inference thread is closing');
      const span: Span = { start: performance.timeOrigin + performance.now(), end: 0 };
      const logits = await segment(crops);
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
    tell: (message) => (message === 'flush' ? segmenter.flush() : segmenter.add(message)),
    closing() {
      closing = true;
      own?.drop();
      onRoom();
    },
    async close() {
      try {
        await session.release();
      } finally {
        stitcher.close();
      }
      await own?.ended;
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
