import { expect, test } from 'vitest';
import { Session } from '../../../../activities/onnx/c-api/session.ts';

test('where koffi has no binary, opening a session says so in a sentence', async () => {
  const arch = process.arch;
  // By this koffi chooses among its binaries, at the first call.
  Object.defineProperty(process, 'arch', { value: 'mips' });
  const failure = await Session.open('model.onnx', { device: 'cpu', threads: 1 }).catch((error) => error);
  Object.defineProperty(process, 'arch', { value: arch });
  expect(failure).toMatchObject({
    failureClass: 'BadInput',
    message: expect.stringMatching(
      /^the package koffi, .* has no binary here \(\w+ on mips\); expected Linux or macOS on x64 or arm64, /,
    ),
  });
});
