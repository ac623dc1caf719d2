/*
 * Preloaded into every thread of a process under check (`node --import`): each session that is opened on CUDA, whoever
 * opens it, is written into the trace of the fake CUDA, with its model, its opener, and each of its runs:
 *
 *   O {"session", "caller", "model", "data"}     a session is about to be opened: its ONNX file, its weights' folder
 *   X {"session", "message"}                     it could not be
 *   R {"session", "inputs": {name: bytes}}       a run begins
 *   E {"session", "outputs": {name: bytes}}      and ends; none if it failed
 */
import { appendFileSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const folder = process.env.FAKE_CUDA_TRACE;
// As an ES module it would be another copy of the class than the one that tests and product see through tsx.
const { InferenceSession } = createRequire(import.meta.url)('onnxruntime-node');
const create = InferenceSession.create;
let opened = 0;

function write(kind, record) {
  appendFileSync(path.join(folder, String(process.pid)), `${thread()} ${kind} ${JSON.stringify(record)}\n`);
}

function thread() {
  return path.basename(readlinkSync('/proc/thread-self'));
}

function keep(model, session) {
  if (typeof model === 'string') return model;
  const file = path.join(folder, 'models', `${process.pid}-${session}.onnx`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, model);
  return file;
}

/** The product's file that opens the session: the first one behind session.ts. */
function callerOf(stack) {
  const files = [...stack.matchAll(/((?:activities|cli|test)\/[\w./-]+\.ts)/g)].map(([, file]) => file);
  return files.find((file) => file !== 'activities/onnx/session.ts') ?? null;
}

InferenceSession.create = async (model, options) => {
  if (!options?.executionProviders?.includes('cuda')) return create.call(InferenceSession, model, options);
  const session = `${thread()}-${++opened}`;
  const data = options.extra?.session?.model_external_initializers_file_folder_path ?? null;
  write('O', { session, caller: callerOf(new Error().stack), model: keep(model, session), data });
  let made;
  try {
    made = await create.call(InferenceSession, model, options);
  } catch (error) {
    write('X', { session, message: error.message });
    throw error;
  }
  const run = made.run.bind(made);
  made.run = async (feeds, ...rest) => {
    const sizes = (tensors) =>
      Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data.byteLength]));
    write('R', { session, inputs: sizes(feeds) });
    let results;
    try {
      results = await run(feeds, ...rest);
    } finally {
      write('E', { session, outputs: results ? sizes(results) : {} });
    }
    return results;
  };
  return made;
};
