import { expect, test } from 'vitest';
import { makeDemo } from '../../../cli/demo/make-demo.ts';
import { mount } from '../../infra/mount.ts';
import { temporaryFolder } from '../../infra/observe.ts';

test('a disk that fills up while the demo is drawn is one sentence', async ({ skip }) => {
  const folder = temporaryFolder();
  if (!mount(folder, '-t', 'tmpfs', '-o', 'size=200k', 'tmpfs')) skip('only root can mount a small disk');
  await expect(makeDemo(folder, () => {})).rejects.toMatchObject({
    failureClass: 'Unavailable',
    message:
      `${folder}: the disk is full; the demo needs 20.0 MB: ` +
      'make room, or let TESSERA_STATE name a folder on another disk',
  });
});
