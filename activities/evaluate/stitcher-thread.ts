import { serveThread } from '../serve-thread.ts';
import type { StitcherExchange } from './inference-protocol.ts';
import { stitchImages } from './stitch-images.ts';

/*
 * The stitcher's thread: while the inference thread runs the next batch, images of the last one become label maps. Logits
 * come from there, label maps go to whoever opened both.
 */
serveThread<StitcherExchange>(async (options, opener) => {
  try {
    const { buildSeconds, drop, ended } = await stitchImages(options, opener);
    ended.catch(opener.fail);
    return { ready: { buildSeconds, warmUpSeconds: 0 }, closing: drop, close: () => ended };
  } catch (error) {
    // By this the inference thread hears of it.
    options.images.close();
    throw error;
  }
});
