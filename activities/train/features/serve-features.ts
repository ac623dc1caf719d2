import { create } from '@bufbuild/protobuf';
import { type ClientDuplexStream, credentials, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { BadInput, mayPass, TypedFailure } from '../../../core/config/failures.ts';
import { encodeFeatures } from '../../../core/train/feature-codec.ts';
import type { Extractor } from './extractor.ts';
import { type Computed, ComputedSchema, type Group } from './feature-feed_pb.ts';
import { channelOptions, FeatureClient } from './feature-service.ts';
import { cropSizes } from './feature-window.ts';
import { type ComputedCrop, groupPipeline, type SampleOf } from './group-work.ts';
import type { FeaturesConfig } from './prepare-features.ts';

/** Time limit for the trainer's first answer, and for a worker's final message. */
const ANSWER_WITHIN_MS = 5_000;

export interface ServeOptions {
  /** The trainer's address, `host:port`. */
  address: string;
  /** The run's token. */
  token: string;
  config: FeaturesConfig;
  sample: SampleOf;
  extractor: Extractor;
  signal: AbortSignal;
}

/** Why a worker ended: the trainer is done, the trainer is lost, or the worker was stopped. */
export type ServeEnd = 'finished' | 'trainer-lost' | 'stopped';

/**
 * Computes groups for a trainer until the trainer ends the stream. A group in progress is then finished and dropped.
 *
 * @throws BadInput if the trainer refuses this worker, such as for a wrong token; failures of samples and backbone,
 *   which are also sent to the trainer if any worker would have them
 */
export async function serveFeatures(options: ServeOptions): Promise<ServeEnd> {
  const { address, token, config, signal } = options;
  if (signal.aborted) return 'stopped';
  const client = new FeatureClient(address, credentials.createInsecure(), channelOptions(config));
  const over = new AbortController();
  try {
    if (!(await answers(client))) return 'trainer-lost';
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    const call = client.serve(metadata);
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    const ended = new Promise<StatusObject>((resolve) => call.once('status', resolve));
    call.on('error', () => {}); // It is the status, once more.
    const work = answerGroups(call, { ...options, signal: AbortSignal.any([signal, over.signal]) });
    const failure = await Promise.race([ended.then(() => null), work.failed]);
    over.abort();
    if (failure) withdraw(call, failure, ended);
    const { code, details } = await ended;
    await work.settled();
    signal.removeEventListener('abort', cancel);
    if (failure) throw failure;
    if (code === status.UNAUTHENTICATED || code === status.INVALID_ARGUMENT)
      throw new BadInput(`the trainer at ${address} refused this worker: ${details}`);
    if (signal.aborted) return 'stopped';
    return code === status.OK ? 'finished' : 'trainer-lost';
  } finally {
    client.close();
  }
}

/** Whether this worker can connect to the trainer. Checked before a backbone is loaded. */
export async function reaches(address: string, config: FeaturesConfig): Promise<boolean> {
  const client = new FeatureClient(address, credentials.createInsecure(), channelOptions(config));
  try {
    return await answers(client);
  } finally {
    client.close();
  }
}

function answers(client: FeatureClient): Promise<boolean> {
  return new Promise((resolve) =>
    client.waitForReady(Date.now() + ANSWER_WITHIN_MS, (error) => resolve(!error)),
  );
}

type Call = ClientDuplexStream<Computed, Group>;

/** Answers groups in the order of their arrival. */
function answerGroups(call: Call, options: ServeOptions) {
  const compute = groupPipeline(options);
  const send = cropSender(call, options);
  let sending: Promise<void> = Promise.resolve();
  const failed = new Promise<Error>((resolve) => {
    call.on('data', ({ step, group }: Group) => {
      const crops = compute({ step, group });
      sending = sending
        .then(async () => {
          for (const crop of await crops) await send(crop);
        })
        .catch((error) => {
          if (!options.signal.aborted) resolve(error);
        });
    });
  });
  return { failed, settled: () => sending };
}

/** Encodes and sends one crop at a time: a slow trainer slows its workers down, and they need memory for one crop. */
function cropSender(call: Call, { config, signal }: ServeOptions): (crop: ComputedCrop) => Promise<void> {
  const { features: type } = config.train;
  const encoded = cropSizes(config).features.map((elements) => new Uint16Array(elements));
  return async ({ step, slot, labels, features: taps }) => {
    signal.throwIfAborted();
    const features = taps.map((feature, tap) => encodeFeatures(feature, type, encoded[tap]!));
    const computed = create(ComputedSchema, { step, slot, features, labels });
    await new Promise<void>((resolve) => {
      const go = () => {
        signal.removeEventListener('abort', go);
        resolve();
      };
      signal.addEventListener('abort', go);
      // Called when flow control has passed the message on to the trainer, not when the local queue has room.
      call.write(computed, go);
    });
  };
}

/** Sends a failure that any worker would have to the trainer. After others, the trainer gives the groups to others. */
function withdraw(call: Call, failure: Error, ended: Promise<unknown>): void {
  if (!(failure instanceof TypedFailure) || mayPass(failure.failureClass)) {
    call.cancel();
    return;
  }
  const { failureClass, message } = failure;
  call.write(create(ComputedSchema, { failure: { failureClass, message } }));
  call.end();
  const late = setTimeout(() => call.cancel(), ANSWER_WITHIN_MS);
  ended.finally(() => clearTimeout(late));
}
