import { viewKinds } from '../../core/image/views.ts';
import type { Opener } from '../serve-thread.ts';
import type {
  InferencePhases,
  StitcherExchange,
  StitcherOptions,
  ToStitcher,
  WindowsStitched,
} from './inference-protocol.ts';
import { Overlap } from './overlap.ts';
import { Stitcher } from './stitcher.ts';

/** A stitcher at work on what comes through a port. */
export interface Stitching {
  buildSeconds: number;
  /** From now on images are taken, but no label maps made. */
  drop(): void;
  /** Resolves when the other end of the port is closed, and the session released. */
  ended: Promise<void>;
}

/**
 * Turns images that come through a port into label maps, one after the other. The opener receives each, and each one's
 * failure; the port answers how many windows have been taken off it.
 *
 * @throws as `Stitcher.open`
 */
export async function stitchImages(
  { config, shape, images }: StitcherOptions,
  opener: Pick<Opener<StitcherExchange>, 'report' | 'fail'>,
): Promise<Stitching> {
  const { device, threads } = config.run;
  const started = performance.now();
  const stitcher = await Stitcher.open(shape, viewKinds(config.pipeline).length, {
    device,
    threads,
  });
  const phases: InferencePhases = { graph: 0, stitch: 0, both: 0, batches: 0 };
  const overlap = new Overlap();
  let dropping = false;

  async function stitch({ image, windows, graph }: ToStitcher): Promise<void> {
    try {
      if (dropping) return;
      const start = performance.timeOrigin + performance.now();
      const labels = await stitcher.labels(image);
      const end = performance.timeOrigin + performance.now();
      for (const span of graph.spans) overlap.addGraph(span);
      overlap.addStitch({ start, end });
      phases.graph = graph.seconds;
      phases.batches = graph.batches;
      phases.stitch += (end - start) / 1000;
      phases.both = overlap.seconds;
      const { id } = image;
      opener.report({ id, labels, phases: { ...phases } }, [labels.buffer as ArrayBuffer]);
    } finally {
      // Even if it failed: the inference thread may be waiting for room.
      images.postMessage(windows satisfies WindowsStitched);
    }
  }

  let queue: Promise<void> = Promise.resolve();
  images.on('message', (message: ToStitcher) => {
    queue = queue.then(() => stitch(message)).catch(opener.fail);
  });
  const ended = new Promise<void>((resolve) => images.once('close', resolve))
    .then(() => queue)
    .then(() => stitcher[Symbol.asyncDispose]());
  const drop = () => {
    dropping = true;
  };
  return { buildSeconds: (performance.now() - started) / 1000, drop, ended };
}
