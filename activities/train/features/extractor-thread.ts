import { planChain } from '../../../core/model/chain/chain-plan.ts';
import { featureOf, IMAGES } from '../../../core/model/features-graph.ts';
import { openSession, runSession, tensor } from '../../onnx/session.ts';
import { serveThread } from '../../serve-thread.ts';
import type { ExtractorExchange } from './extractor.ts';

/* The backbone's thread: ONNX Runtime blocks the thread it is called on. Normalised crops in, features out. */
serveThread<ExtractorExchange>(async ({ modelFile, dataFolder = null, config }) => {
  const { batch, device, threads } = config.run;
  const { imageSizePx: side } = config.model.backbone;
  const { inputs } = planChain(config);
  const session = await openSession(modelFile, { device, threads, dataFolder });
  return {
    ready: undefined,
    async ask(images) {
      const outputs = await runSession(session, { [IMAGES]: tensor(images, [batch, side, side, 3]) }, device);
      // Copied: ONNX Runtime's memory cannot be transferred to another thread.
      const value = inputs.map((_, i) => new Float32Array(outputs[featureOf(i)]!.data as Float32Array));
      return { value, transfer: value.map(({ buffer }) => buffer) };
    },
    close: () => session.release(),
  };
});
