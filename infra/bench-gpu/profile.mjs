/*
 * Preloaded into every thread of a process (`node --import`): each session that is opened on CUDA is profiled, and when it
 * is released ONNX Runtime writes where each of its nodes ran, into a file of TESSERA_PROFILE.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { threadId } from 'node:worker_threads';

process.env.ORT_DISABLE_TELEMETRY = '1'; // Before the library loads, in the process's first thread.

// As an ES module it would be another copy of the class than the one that the product sees through tsx.
const { InferenceSession } = createRequire(import.meta.url)('onnxruntime-node');
const create = InferenceSession.create;
let opened = 0;

InferenceSession.create = async (model, options) => {
  if (!options?.executionProviders?.includes('cuda')) return create.call(InferenceSession, model, options);
  const profileFilePrefix = path.join(process.env.TESSERA_PROFILE, `${threadId}-${++opened}`);
  const session = await create.call(InferenceSession, model, {
    ...options,
    enableProfiling: true,
    profileFilePrefix,
  });
  const release = session.release.bind(session);
  session.release = async () => {
    session.endProfiling();
    await release();
  };
  return session;
};
