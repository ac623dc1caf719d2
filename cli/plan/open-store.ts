import { s3Client } from '../../activities/deliver/s3-client.ts';
import { s3Store } from '../../activities/deliver/s3-store.ts';
import type { Store } from '../../core/store.ts';
import { readRunningStack, stackEnv } from '../../infra/local/stack.ts';
import { stateFolder } from '../../workers/environment.ts';

/** The S3 that a run would work with, without its Temporal: that of the environment, or of a local stack that runs. */
export async function openStore(): Promise<Store> {
  if (!process.env.TEMPORAL_ADDRESS && !process.env.TEMPORAL_CONFIG_FILE) {
    const running = await readRunningStack(stateFolder());
    if (running) Object.assign(process.env, stackEnv(running));
  }
  return s3Store(await s3Client());
}
