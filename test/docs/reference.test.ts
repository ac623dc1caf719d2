import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { literalsOf } from '../../infra/docs/comments.ts';
import { fieldsOf } from '../../infra/docs/fields.ts';
import { referencePages } from '../../infra/docs/pages.ts';
import { PACKAGE } from '../../workers/environment.ts';

describe('docs/reference', () => {
  it('is what the code says: `npm run docs` changes nothing', () => {
    const folder = join(PACKAGE, 'docs/reference');
    const pages = referencePages();
    for (const [file, text] of pages) expect(readFileSync(join(folder, file), 'utf8'), file).toBe(text);
    expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  });

  it('shows a field with its bounds, default and comment', () => {
    const config = referencePages().get('config.md');
    expect(config).toContain(
      '| `run.batch` | integer > 0, ≤ 1024 | required | Crops of one inference batch. |',
    );
    expect(config).toContain('| `train.optimizer.eps` | number > 0 | default `1e-8` |');
  });
});

describe('the comments of a source', () => {
  const source = `
    const inner = z.strictObject({
      /** Its 'width', in px. */
      width: z.number(), // not this
      deep: z.object({ /** Of the deep one. */ width: z.string() }),
    });
    /** Said before. */
    const other = { url: 'http://x/**/y', /** Two
     * lines. */ name: /[,{]/ };`;

  it('belong to the keys and objects that follow them', () => {
    const literals = literalsOf(source).map(({ comment, keys }) => ({ comment, keys: [...keys] }));
    expect(literals).toEqual([
      {
        comment: null,
        keys: [
          ['width', "Its 'width', in px."],
          ['deep', null],
        ],
      },
      { comment: null, keys: [['width', 'Of the deep one.']] },
      {
        comment: 'Said before.',
        keys: [
          ['url', null],
          ['name', 'Two lines.'],
        ],
      },
    ]);
  });

  it('reach the field of the object that has the same keys', () => {
    const schema = z.strictObject({ width: z.number(), deep: z.object({ width: z.string().optional() }) });
    expect(fieldsOf(schema, 'input', literalsOf(source), [])).toEqual([
      { path: 'width', type: 'number', presence: 'required', comment: "Its 'width', in px." },
      { path: 'deep', type: 'object', presence: 'required', comment: '' },
      { path: 'deep.width', type: 'string', presence: 'optional', comment: 'Of the deep one.' },
    ]);
  });

  it('of options are told apart by what names the option', () => {
    const options = `[/** One. */ { kind: 1, a: 2 }, /** Two. */ { kind: 1, b: 2 }]`;
    const schema = z.strictObject({
      x: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('one'), a: z.number().min(0).max(1) }),
        z.strictObject({ kind: z.literal('two'), b: z.int().default(3) }),
      ]),
    });
    expect(fieldsOf(schema, 'input', literalsOf(options), []).slice(1)).toEqual([
      { path: 'x.kind', type: '`one` or `two`', presence: 'required', comment: '`one`: One. `two`: Two.' },
      { path: 'x.a', type: 'number 0…1', presence: 'required', comment: 'With `kind: one`.' },
      { path: 'x.b', type: 'integer', presence: 'default `3`', comment: 'With `kind: two`.' },
    ]);
  });
});
