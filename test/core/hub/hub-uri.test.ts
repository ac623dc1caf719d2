import { expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { hubUri, isCommit, parseHubUri } from '../../../core/hub/hub-uri.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

test.each([
  ['hf://org/name', { repo: 'org/name', revision: null, file: null }],
  [
    'hf://OpenGVLab/InternViT-6B-448px-V2_5',
    { repo: 'OpenGVLab/InternViT-6B-448px-V2_5', revision: null, file: null },
  ],
  ['hf://org/name/model.safetensors', { repo: 'org/name', revision: null, file: 'model.safetensors' }],
  ['hf://org/name@v1.0', { repo: 'org/name', revision: 'v1.0', file: null }],
  [`hf://org/name@${COMMIT}/sub/x.bin`, { repo: 'org/name', revision: COMMIT, file: 'sub/x.bin' }],
  ['hf://org/name@refs/pr/7/x.bin', { repo: 'org/name', revision: 'refs/pr/7', file: 'x.bin' }],
  ['hf://org/name@a%2Fb/x.bin', { repo: 'org/name', revision: 'a/b', file: 'x.bin' }],
])('%s is read, and written again the same', (uri, parsed) => {
  expect(parseHubUri(uri)).toEqual(parsed);
  expect(hubUri(parsed)).toBe(uri);
});

test.each([
  'hf://name',
  'hf://org/name@',
  'hf://org/name@x y',
  'hf://org/name/../x',
  'hf://org/name/a//b',
  'hf://org/..',
  'hf://datasets/x',
  'hf://org/name@%zz/x',
  's3://bucket/x',
])('%s is refused', (uri) => {
  expect(() => parseHubUri(uri)).toThrow(BadInput);
  expect(() => parseHubUri(uri)).toThrow(/expected hf:\/\/org\/name/);
});

test('only a whole commit never moves', () => {
  expect([COMMIT, 'main', COMMIT.slice(0, 8), null].map(isCommit)).toEqual([true, false, false, false]);
});
