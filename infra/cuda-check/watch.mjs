/*
 * Preloaded into every thread of a process under check (`node --import`): each session that is opened on CUDA, whoever
 * opens it and by either binding, is written into the trace of the fake CUDA, with its model, its opener, and each of its
 * runs. Inputs and outputs are those that a run copies: none that is bound to a tensor on the device.
 *
 *   O {"session", "caller", "model", "data"}     a session is about to be opened: its ONNX file, its weights' folder
 *   X {"session", "message"}                     it could not be
 *   R {"session", "inputs": {name: bytes}}       a run begins
 *   E {"session", "outputs": {name: bytes}}      and ends; none if it failed
 */

import { tracingChannel } from 'node:diagnostics_channel';
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

/** The product's file that opens the session: the first one behind those of the bindings. */
function callerOf(stack) {
  const files = [...stack.matchAll(/((?:activities|cli|test)\/[\w./-]+\.ts)/g)].map(([, file]) => file);
  return files.find((file) => !/^activities\/onnx\/(c-api\/)?session\.ts$/.test(file)) ?? null;
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

/** By Session of the C API. */
const sessions = new WeakMap();

tracingChannel('tessera:onnx:open').subscribe({
  start(context) {
    const { model, options } = context;
    if (options.device !== 'cuda') return;
    context.session = `${thread()}-${++opened}`;
    const record = { session: context.session, caller: callerOf(new Error().stack) };
    write('O', { ...record, model: keep(model, context.session), data: options.dataFolder ?? null });
  },
  error({ session, error }) {
    if (session) write('X', { session, message: error.message });
  },
  asyncEnd({ session, result }) {
    if (session && result) sessions.set(result, session);
  },
});

tracingChannel('tessera:onnx:run').subscribe({
  start({ session }) {
    if (sessions.has(session)) write('R', { session: sessions.get(session), inputs: {} });
  },
  end({ session, error, outputs }) {
    if (sessions.has(session)) write('E', { outputs: error ? {} : toHost(session, outputs) });
  },
});

/** Bytes of the outputs that a run copies to the host. */
function toHost(session, outputs) {
  return Object.fromEntries(
    [...outputs]
      .filter(([, to]) => (to.device ?? to) === 'cpu')
      .map(([name, to]) => [name, to.sizeBytes ?? declaredBytes(session.outputs.get(name))]),
  );
}

function declaredBytes({ dtype, dims }) {
  const bits = Number(/\d+/.exec(dtype)?.[0] ?? 8);
  return dims.reduce((product, dim) => product * dim, bits / 8);
}
