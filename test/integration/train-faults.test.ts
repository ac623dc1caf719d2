import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startS3Server } from '../../infra/local/s3-server.ts';
import { SHORT, startTrainings, type Trainings, untilTraining } from './training.ts';

let trainings: Trainings;
beforeAll(async () => {
  trainings = await startTrainings({ images: 8 });
  await trainings.run('undisturbed', trainings.input());
});
afterAll(() => trainings[Symbol.asyncDispose]());

describe('an outage of S3 in mid-training', () => {
  it('that passes changes no number', async () => {
    const handle = await trainings.start('outage', trainings.input());
    await untilTraining(handle, ({ step }) => step >= 4);
    killS3();
    await sleep(5_000);
    await using _server = await restartS3();
    await handle.result();
    expect(await trainings.outcome('outage')).toEqual(await trainings.outcome('undisturbed'));
  });

  it('that lasts ends the run by the last good checkpoint, from which it goes on later', async () => {
    await using _first = await restartS3();
    const handle = await trainings.start('lasting', trainings.input({ overrides: SHORT }));
    await untilTraining(handle, ({ step, checkpoint }) => checkpoint?.step === 5 && step >= 7);
    killS3();
    const failure = await handle.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    const { type, message } = (failure as WorkflowFailedError).cause as Error & { type: string };
    expect(type).toBe('Unavailable');
    expect(message).toMatch(
      /S3 did not answer.* \(the last good checkpoint is that of step 5: .*iter_5\.json\)$/,
    );
    expect(trainings.tessera.pids('workers/gpu.ts')).toEqual([]);

    await using _second = await restartS3();
    await trainings.run('lasting', trainings.input());
    expect(await trainings.outcome('lasting')).toEqual(await trainings.outcome('undisturbed'));
  });
});

/** The local stack's S3 server dies, as it would with its machine. */
function killS3(): void {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = commandOf(entry);
    if (command[0]?.includes('versitygw') && command.some((part) => part.startsWith(trainings.tessera.state)))
      process.kill(Number(entry), 'SIGKILL');
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The same server with the same objects, at the same place. */
async function restartS3() {
  const { AWS_ENDPOINT_URL_S3: endpoint = '', AWS_REGION: region = '' } = process.env;
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env;
  killS3();
  const { hostname: host, port } = new URL(endpoint);
  const access = { endpoint, region, accessKeyId, secretAccessKey };
  return startS3Server({ stateDir: trainings.tessera.state, host, port: Number(port), access });
}
