import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '../../activities/plan/load-config.ts';
import { joinUri } from '../../core/store.ts';
import { stateFolder } from '../../workers/environment.ts';
import { resultsText, runEval } from '../run-workflow.ts';
import { connectSession, type Session } from '../session.ts';
import { layoutOf, stageFromHere } from '../stage.ts';
import { type Terminal, terminal } from '../terminal.ts';
import { timestamp } from '../timestamp.ts';
import { makeDemo } from './make-demo.ts';

export interface DemoInputs {
  weights: string;
  head: string;
  dataset: string;
}

/** Makes a tiny model and a mini ADE20K, and runs the main job on them from end to end. */
export async function demo(): Promise<void> {
  const screen = terminal();
  await using session = await connectSession(screen);
  const inputs = await stageDemo(session, screen);
  const workflowId = `demo-${timestamp(new Date())}`;
  const output = `s3://${session.bucket}/runs`;
  const input = { config: 'tiny', ...inputs, output };
  const inputFile = path.join(stateFolder(), 'demo-input.json');
  await writeFile(inputFile, `${JSON.stringify(input, null, 2)}\n`);
  const result = await runEval(session, workflowId, input, screen);
  console.log(await resultsText(session, result.resultsUri));
  const report = await download(session, joinUri(output, workflowId), workflowId);
  console.log(
    [
      '',
      `results  ${result.resultsUri}`,
      `report   ${result.reportUri}`,
      `         a copy to look at: ${report}`,
      'next     npx tessera stack, then: temporal workflow start --type EvalMIoU --task-queue tessera \\',
      `           --workflow-id my-run --input-file ${fromHere(inputFile)}`,
    ].join('\n'),
  );
}

/** A path as it is given in the folder where the user is. */
function fromHere(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}

/** Makes the demo's data, and stages it as a user's files of this machine are. */
export async function stageDemo(session: Session, screen: Terminal): Promise<DemoInputs> {
  const files = await makeDemo(path.join(stateFolder(), 'demo'), (step) => screen.step(step));
  screen.done(
    'mini ADE20K (80 images to train on, 100 to evaluate on) and tiny InternViT with a fitted linear head',
  );
  const root = `s3://${session.bucket}`;
  const inputs = {
    weights: `${root}/weights/tiny_intern_vit_224px.pth`,
    head: `${root}/weights/tiny_linear_head.pth`,
    dataset: `${root}/datasets/mini-ade20k`,
  };
  screen.step('staging to S3');
  const { dataset } = await loadConfig('tiny');
  const weights = (source: string, destination: string) =>
    stageFromHere({ type: 'StageWeights', request: { source, destination } }, session.store);
  const split = (name: string) => {
    const request = { source: files.ade, destination: inputs.dataset, name: 'mini ADE20K' };
    const layout = layoutOf(dataset, name);
    return stageFromHere({ type: 'StageDataset', request: { ...request, ...layout } }, session.store);
  };
  const staged = await Promise.all([
    weights(files.backbone, inputs.weights),
    weights(files.head, inputs.head),
    split('training'),
    split('validation'),
  ]);
  const uploaded = staged.reduce((sum, { uploadedFiles }) => sum + uploadedFiles, 0);
  screen.done(
    `staged to ${root} (${uploaded} of ${staged.reduce((sum, s) => sum + s.totalFiles, 0)} files were new)`,
  );
  return inputs;
}

/** The demo's S3 server ends with the demo: its page stays as a file. */
async function download(session: Session, prefix: string, workflowId: string): Promise<string> {
  const folder = path.join(stateFolder(), 'results', workflowId);
  await mkdir(folder, { recursive: true });
  for (const name of ['results.json', 'report.html', 'per_image.bin.gz'])
    await writeFile(path.join(folder, name), await session.store.read(joinUri(prefix, name)));
  return path.join(folder, 'report.html');
}
