import { describe, expect, test } from 'vitest';
import { dict, floats, int, open, pickle, tensor, text, torchZip } from './hand-made.ts';

const one = tensor({ count: 1, shape: [1], strides: [1] });
const data = { 'data/0': floats(1) };

/** A checkpoint whose notes are the given opcodes. */
function withMeta(...meta: string[]) {
  return open(torchZip(pickle(dict({ meta: meta.join(''), state_dict: dict({ w: one }) })), data));
}

describe('what a pickle may not do', () => {
  test.each([
    ['os.system', 'cos\nsystem\n'],
    ['posix.system', 'cposix\nsystem\n'],
    ['builtins.eval', 'cbuiltins\neval\n'],
    ['builtins.getattr', '\x8c\x08builtins\x8c\x07getattr\x93'],
    ['models.Net', 'cmodels\nNet\n'],
    ['collections.abc', 'ccollections\nabc\n'],
    ['constructor.', 'cconstructor\n\n'],
  ])('%s is refused by name, also in notes that nobody needs', async (name, opcodes) => {
    const failure = await withMeta(`${opcodes}(${text('touch /tmp/executed')}tR`).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(
      new RegExp(`^x\\.pth: the pickle calls ${name}: refused, nothing was executed; .*state_dict`),
    );
  });

  test.each([
    ['torch._utils\n_rebuild_qtensor', /quantised tensor/],
    ['torch._utils\n_rebuild_sparse_tensor', /sparse tensor/],
    ['torch._utils\n_rebuild_nested_tensor', /nested tensor/],
    ['torch\nComplexFloatStorage', /unsupported type \(torch\.ComplexFloatStorage\)/],
  ])('%s is refused as what it is', async (name, message) => {
    await expect(withMeta(`c${name}\n)R`)).rejects.toThrow(message);
  });

  test('a hostile name is shortened and made printable', async () => {
    await expect(withMeta(`cbad\x1b[31m\n${'x'.repeat(9_999)}\n`)).rejects.toThrow(
      /calls bad\?\[31m\.x{50,200}…:/,
    );
  });
});

describe('plain notes', () => {
  test.each<[string, string, unknown]>([
    ['small and negative integers', `(K\x07${int(300)}J\xfe\xff\xff\xfft`, [7, 300, -2]],
    ['long integers', '(\x8a\x00\x8a\x01\xff\x8a\x06\x00\x00\x00\x00\x00\x01t', [0, -1, 2 ** 40]],
    ['integers beyond 2^53', `\x8a\x08${'\xff'.repeat(7)}\x7f`, '9223372036854775807'],
    ['floats', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00', 1.5],
    ['None, True, False', '(N\x88\x89t', [null, true, false]],
    ['Unicode', text('Brücke \u{1f309}'), 'Brücke \u{1f309}'],
    ['text of Python 2', 'U\x03abc', 'abc'],
    ['tuples of each length', '()\x85NN\x86NNN\x87t', [[[]], [null, null], [null, null, null]]],
    ['lists', `](K\x01K\x02eK\x03a`, [1, 2, 3]],
    ['dicts with odd keys', `}K\x01${text('one')}sN${text('none')}s`, { 1: 'one', '<None>': 'none' }],
    ['a dict by its mark', `(${text('a')}K\x01d`, { a: 1 }],
    ['a set of protocol 2', 'c__builtin__\nset\n](K\x01K\x02e\x85R', [1, 2]],
    ['a set of protocol 4', '\x8f(K\x01K\x02\x90', [1, 2]],
    [
      'the memo',
      `(${text('a')}q\x05${text('b')}r\x00\x01\x00\x00h\x05j\x00\x01\x00\x00t`,
      ['a', 'b', 'a', 'b'],
    ],
    ['protocol 4', '(\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94h\x00t', ['a', 'a']],
    ['an OrderedDict with attributes', `ccollections\nOrderedDict\n)R${text('a')}K\x01s}b`, { a: 1 }],
    ['a command line', `cargparse\nNamespace\n)\x81${dict({ lr: 'K\x01' })}b`, {}],
    ['a type', 'ctorch\nbfloat16\n', 'torch.bfloat16'],
    ['a size', `ctorch\nSize\n((K\x02K\x03ttR`, [2, 3]],
    ['a tensor', `](${one}e`, ['<a tensor>']],
    [
      'a numpy score, as mmcv notes its best',
      `cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(${text('f8')}\x89\x88tR(K\x03${text('<')}NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb` +
        `c_codecs\nencode\n(${text('\0\0\0\0\0\0\u00e8?')}${text('latin1')}tRtR`,
      0.75,
    ],
  ])('%s', async (_name, opcodes, expected) => {
    const file = await withMeta(opcodes);
    expect(file.meta).toEqual(expected);
  });

  test('a key named __proto__ stays a key', async () => {
    const file = await withMeta(`}${text('__proto__')}${dict({ polluted: '\x88' })}s`);
    expect(Object.keys(file.meta as object)).toEqual(['__proto__']);
    expect('polluted' in {}).toBe(false);
  });
});

describe('hostile pickles', () => {
  const levels = (count: number, level: string) => level.repeat(count);

  test.each([
    ['a list that holds itself', ']q\x00h\x00a', /nest deeper/],
    ['lists nested without end', `${levels(5_000, ']')}${levels(4_999, 'a')}`, /nest deeper/],
    [
      'lists that double with each level',
      `]q\x00${levels(40, '0]h\x00ah\x00aq\x00')}`,
      /more than 1000000 values/,
    ],
    ['marks nested without end', levels(5_000, '('), /nests deeper than 1000 marks/],
    ['a text longer than the file', 'X\xff\xff\xff\x00', /truncated/],
    ['a text longer than memory', '\x8d\x00\x00\x00\x00\x00\x00\x00\x7f', /string of \d+ bytes, more than/],
    ['a value that was never stored', 'h\x63', /recalls value 99/],
    ['an item of a number', 'K\x01K\x02K\x03s', /sets an item of a number/],
    ['an addition to a tuple', ')K\x01a', /appends to a tuple/],
    ['a call of a text', `${text('f')})R`, /calls a string/],
    ['attributes of a number', 'K\x01}b', /sets attributes of a number/],
    ['an empty stack', '0000', /empty stack/],
    ['an unknown opcode', '\x01', /unknown opcode 0x01/],
    ['instructions of protocol 0', "S'abc'\n", /unknown opcode 0x53/],
    ['another protocol', '\x80\x09', /protocol 9/],
    ['a storage that is none', 'K\x01Q', /no tensor storage/],
    ['a tensor of numbers', 'ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x02tR', /tensor of a number/],
  ])('%s', async (_name, opcodes, message) => {
    const failure = await withMeta(opcodes).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(message);
  });

  test('millions of empty lists in a small file are too many', async () => {
    const failure = await withMeta(levels(5_000_000, ']')).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(/more than 4000000 values/);
  });
});
