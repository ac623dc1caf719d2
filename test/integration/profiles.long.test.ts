import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { makeDemo } from '../../cli/demo/make-demo.ts';
import { runToEnd } from '../../cli/run-workflow.ts';
import { connectSession, type Session } from '../../cli/session.ts';
import { layoutOf } from '../../cli/stage.ts';
import { SILENT } from '../../cli/terminal.ts';
import type { EvalResult } from '../../core/config/eval.ts';
import { rgbProfile } from '../activities/images/hand-made-icc.ts';
import { jpegSegment } from '../activities/images/hand-made-jpeg.ts';
import { makeFolder, temporaryFolder } from '../infra/observe.ts';
import { ROOT } from './runs.ts';

let session: Session;
const state = makeFolder();
beforeAll(async () => {
  process.env.TESSERA_STATE = state;
  delete process.env.TEMPORAL_ADDRESS;
  session = await connectSession(SILENT);
});
afterAll(async () => {
  await session[Symbol.asyncDispose]();
  rmSync(state, { recursive: true });
});

/** Puts a profile of a wide gamut into every JPEG of a folder. */
function addProfiles(folder: string): void {
  const profile = jpegSegment(0xe2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01'), rgbProfile()]));
  for (const name of readdirSync(folder)) {
    const plain = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), Buffer.concat([plain.subarray(0, 2), profile, plain.subarray(2)]));
  }
}

it("the demo's mIoU is 35.34, with a colour profile in each image as without", async () => {
  const folder = temporaryFolder();
  const files = await makeDemo(folder, () => {});
  const profiled = join(folder, 'profiled');
  cpSync(files.ade, profiled, { recursive: true });
  addProfiles(join(profiled, 'images/validation'));
  const weights = { weights: `${ROOT}/weights/backbone.pth`, head: `${ROOT}/weights/head.pth` };
  await runToEnd(session, 'StageWeights', 'b', { source: files.backbone, destination: weights.weights });
  await runToEnd(session, 'StageWeights', 'h', { source: files.head, destination: weights.head });
  const layout = layoutOf((await loadConfig('tiny')).dataset, 'validation');
  const evaluate = async (name: string, source: string) => {
    const dataset = `${ROOT}/datasets/${name}`;
    await runToEnd(session, 'StageDataset', `d-${name}`, { source, destination: dataset, name, ...layout });
    const input = { config: 'tiny', ...weights, dataset, output: `${ROOT}/runs` };
    return runToEnd<EvalResult>(session, 'EvalMIoU', name, input);
  };
  const { resultsUri: _, reportUri: __, ...plain } = await evaluate('plain', files.ade);
  expect((100 * plain.mIoU!).toFixed(2)).toBe('35.34');
  expect(await evaluate('profiled', profiled)).toMatchObject(plain);
});
