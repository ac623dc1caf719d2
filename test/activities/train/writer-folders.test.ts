import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { startNode, temporaryFolder, until } from '../../infra/observe.ts';
import { segment } from './training-run.ts';

/** Another process that has begun to write a checkpoint, and doesn't end. */
async function otherWriter(scratchFolder: string) {
  const program = `
    import { mkdirSync, writeFileSync } from 'node:fs';
    import { writerName } from './activities/train/writer-folders.ts';
    const folder = ${JSON.stringify(scratchFolder)} + '/' + writerName();
    mkdirSync(folder, { recursive: true });
    writeFileSync(folder + '/iter_5.pth', 'half of it');
    setInterval(() => {}, 1_000);
  `;
  const writer = startNode(['--import', 'tsx', '--input-type=module', '-e', program]);
  const written = () => readdirSync(scratchFolder).flatMap((name) => readdirSync(join(scratchFolder, name)));
  await until('the other writer’s file', () => written().length === 1);
  return writer;
}

test('what a killed trainer has left is removed by the next one; what a living one writes is not', async () => {
  const scratchFolder = temporaryFolder();
  const { child, exited } = await otherWriter(scratchFolder);
  const [name] = readdirSync(scratchFolder);
  const train = () => segment(memoryStore(), { until: 5, context: { scratchFolder } });
  await train();
  expect(readdirSync(scratchFolder)).toEqual([name]);
  expect(readdirSync(join(scratchFolder, name!))).toEqual(['iter_5.pth']);

  child.kill('SIGKILL');
  await exited;
  await train();
  expect(readdirSync(scratchFolder)).toEqual([]);
});

test('of another machine, or by nobody’s name, everything stays', async () => {
  const scratchFolder = temporaryFolder();
  const { child, exited } = await otherWriter(scratchFolder);
  const [name] = readdirSync(scratchFolder);
  child.kill('SIGKILL');
  await exited;
  mkdirSync(join(scratchFolder, name!.replace(os.hostname(), 'elsewhere')));
  writeFileSync(join(scratchFolder, 'notes.txt'), 'mine');
  await segment(memoryStore(), { until: 5, context: { scratchFolder } });
  expect(readdirSync(scratchFolder).sort()).toEqual(
    [name!.replace(os.hostname(), 'elsewhere'), 'notes.txt'].sort(),
  );
});
