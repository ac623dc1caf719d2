import { describe, expect, test } from 'vitest';
import { BadInput } from '../../../core/config/failures.ts';
import { publishedCheckpoints, publishedName } from '../../../core/config/published.ts';

const SITE = 'https://dl.example/vit/backbone.pth';
const HEAD = 'https://dl.example/vit/linear_head.pth';
const REPOSITORY = 'hf://org/vit-large';

const of = (published?: { weights: string; head?: string }, folder?: string) =>
  publishedCheckpoints({ name: 'mine', ...(published ? { published } : {}) }, folder);

describe('the published checkpoints of a config', () => {
  test('are read where they are on the Hub', () => {
    expect(of({ weights: REPOSITORY })).toEqual({ weights: REPOSITORY });
    const head = 'hf://org/heads/linear.safetensors';
    expect(of({ weights: REPOSITORY, head })).toEqual({ weights: REPOSITORY, head });
  });

  test.each(['s3://bkt/published', 's3://bkt/published/'])('are their staged copies in %s', (folder) => {
    expect(of({ weights: SITE, head: HEAD }, folder)).toEqual({
      weights: 's3://bkt/published/backbone.pth',
      head: 's3://bkt/published/linear_head.pth',
    });
    expect(of({ weights: REPOSITORY }, folder)).toEqual({
      weights: 's3://bkt/published/vit-large.safetensors',
    });
  });

  test('that lie on a site are to be staged first: the command is named', () => {
    const remedy =
      'tessera stage published mine --to s3://bucket/folder, then --published s3://bucket/folder';
    expect(() => of({ weights: SITE })).toThrow(
      new BadInput(`mine: ${SITE} has to be staged first: ${remedy}`),
    );
    expect(() => of({ weights: REPOSITORY, head: HEAD })).toThrow(`mine: ${HEAD} has to be staged first`);
  });

  test('are asked for where there are none', () => {
    expect(() => of()).toThrow(
      new BadInput('mine: names no published weights; say where they lie: --weights s3://bucket/key'),
    );
    expect(() => of(undefined, 's3://bkt/published')).toThrow('names no published weights');
  });
});

test.each([
  [SITE, 'backbone.pth'],
  [REPOSITORY, 'vit-large.safetensors'],
  ['hf://org/vit@v1', 'vit.safetensors'],
  ['hf://org/vit@main/sub/model.safetensors', 'model.safetensors'],
])('the staged copy of %s is called %s', (uri, name) => {
  expect(publishedName(uri)).toBe(name);
});
