// Preloaded into a worker (`node --import`): the first run of a session after the file of TESSERA_TEST_FAULT is there
// fails as on a GPU after a fault, and takes the file away. So does every later run of that process.
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { env } from 'node:process';
import { isMainThread, threadId } from 'node:worker_threads';

const folder = env.TESSERA_TEST_FAULT;
const MESSAGE =
  'CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=node ; file=cuda_execution_provider.cc ; line=533 ; ' +
  'expr=cudaStreamSynchronize(static_cast<cudaStream_t>(stream_)); ';

if (folder && !isMainThread) {
  const { InferenceSession } = createRequire(import.meta.url)('onnxruntime-node');
  const { run } = InferenceSession.prototype;
  let isLost = false;
  InferenceSession.prototype.run = function (...args) {
    const [fault] = isLost ? [] : readdirSync(folder);
    if (fault) {
      rmSync(`${folder}/${fault}`);
      console.log(`thread ${threadId}: the GPU fails`);
      isLost = true;
    }
    return isLost ? Promise.reject(new Error(MESSAGE)) : run.apply(this, args);
  };
}
