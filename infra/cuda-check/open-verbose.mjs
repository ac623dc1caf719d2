// Opens a model on CUDA with the CPU to fall back on, and lets ONNX Runtime say on stderr where each node goes.
//   node open-verbose.mjs MODEL [FOLDER OF ITS EXTERNAL DATA]
import { createRequire } from 'node:module';

const { InferenceSession } = createRequire(import.meta.url)('onnxruntime-node');
const [model, folder] = process.argv.slice(2);
const data = folder ? { model_external_initializers_file_folder_path: folder } : {};
const session = await InferenceSession.create(model, {
  executionProviders: ['cuda'],
  logSeverityLevel: 0,
  logVerbosityLevel: 1,
  extra: { session: data },
});
await session.release();
