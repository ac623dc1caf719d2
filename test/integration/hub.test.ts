import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { runToEnd } from '../../cli/run-workflow.ts';
import { SILENT } from '../../cli/terminal.ts';
import { COMMIT, fakeHub, REPO } from '../activities/hub/fake-hub.ts';
import { writeAsSafetensors } from '../docs/as-safetensors.ts';
import { ROOT, startTessera } from './tessera.ts';

it('weights on a gated Hub give the matrix that staged ones give, read in place and staged from there', async () => {
  const hub = await fakeHub({}, { gated: true, members: ['hf_ours'] });
  // Control worker and GPU workers have them from here.
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', 'hf_ours');
  await using tessera = await startTessera({ images: 6 });
  const { store } = tessera.session;
  const folder = join(tessera.state, 'model');
  writeFileSync(join(tessera.state, 'staged.pth'), await store.read(`${ROOT}/weights/backbone.pth`));
  await writeAsSafetensors(join(tessera.state, 'staged.pth'), folder);
  hub.served.commits[COMMIT] = { 'model.safetensors': readFileSync(join(folder, 'model.safetensors')) };

  const matrixOf = async (workflowId: string, weights?: string) => {
    await tessera.run(workflowId, tessera.input(weights ? { weights } : {}));
    const { confusionMatrix, inputs } = await tessera.results(workflowId);
    return { digest: confusionMatrix.sha256, weights: inputs.weights.uri };
  };
  const { digest } = await matrixOf('staged');
  const inPlace = await matrixOf('in-place', `hf://${REPO}@main`);
  expect(inPlace).toEqual({ digest, weights: `hf://${REPO}@${COMMIT}/model.safetensors` });

  const destination = `${ROOT}/weights/hub.safetensors`;
  const staging = { source: `hf://${REPO}`, destination };
  const staged = await runToEnd(tessera.session, 'StageWeights', 'from-hub', staging, SILENT);
  expect(staged).toMatchObject({ uploadedFiles: 1 });
  expect(await matrixOf('staged-from-hub', destination)).toEqual({ digest, weights: destination });
  expect(hub.requests.filter(({ server }) => server === 'cdn').every(({ token }) => !token)).toBe(true);
});
