import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { errorOf, threadFailure } from '../../onnx/thread-failure.ts';
import type { FromCollector, ToCollector } from './collector-protocol.ts';
import { type CollectorSettings, FeatureCollector } from './feature-collector.ts';
import type { FeatureBatch, Group } from './feature-window.ts';
import type { ComputedCrop } from './group-work.ts';

/*
 * The thread that features come to. Messages of megabytes call for a garbage collection every few of them, and each
 * one looks at all of a heap: this one is small (docs/decisions/0010).
 */
const port = parentPort as MessagePort;

/** Groups that the trainer is asked for, in order. */
const asked: { resolve(crops: ComputedCrop[]): void; reject(error: Error): void }[] = [];

function send(message: FromCollector, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function fail(error: unknown): void {
  send(threadFailure(error));
}

function compute(group: Group): Promise<ComputedCrop[]> {
  send({ type: 'compute', group });
  return new Promise((resolve, reject) => asked.push({ resolve, reject }));
}

function sendBatch(batch: FeatureBatch): void {
  send(
    { type: 'batch', batch },
    [...batch.features, batch.labels].map(({ buffer }) => buffer),
  );
}

async function main(): Promise<void> {
  const collector = await FeatureCollector.open(workerData as CollectorSettings, {
    compute,
    onWorkers: (workers) => send({ type: 'workers', workers }),
  });
  port.on('message', (message: ToCollector) => {
    if (message.type === 'next') collector.next().then(sendBatch, fail);
    else if (message.type === 'computed') asked.shift()?.resolve(message.crops);
    else if (message.type === 'failed') asked.shift()?.reject(errorOf(message));
    // Without its port nothing keeps the thread alive.
    else
      collector[Symbol.asyncDispose]()
        .catch(fail)
        .finally(() => port.close());
  });
  send({ type: 'ready', address: collector.address });
}

main().catch(fail);
