import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
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
    ['subprocess.Popen', 'csubprocess\nPopen\n'],
    ['os.path.join', 'cos.path\njoin\n'],
    ['__builtin__.__import__', 'c__builtin__\n__import__\n'],
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
  ])('%s is no obstacle in notes; as a tensor it is called what it is', async (name, message) => {
    expect((await withMeta(`c${name}\n)R`)).tensors.size).toBe(1);
    const file = open(torchZip(pickle(dict({ state_dict: dict({ w: one, v: `c${name}\n)R` }) })), data));
    expect((await file).unreadable.get('v')).toMatch(message);
    const alone = open(torchZip(pickle(dict({ v: `c${name}\n)R` })), data));
    await expect(alone).rejects.toThrow(message);
  });

  test('a hostile name is shortened and made printable', async () => {
    await expect(withMeta(`cos\n\x1b[31m${'x'.repeat(9_999)}\n`)).rejects.toThrow(
      /calls os\.\?\[31mx{50,200}…:/,
    );
  });
});

describe('what is not known', () => {
  const history = 'cmmengine.logging.history_buffer\nHistoryBuffer\n';

  test.each([
    ['a class', 'cmodels\nNet\n', '<models.Net>'],
    ['an odd name', 'cconstructor\n\n', '<constructor.>'],
    ['an object', `${history})\x81`, '<mmengine.logging.history_buffer.HistoryBuffer>'],
    [
      'an object with attributes',
      `${history})\x81${dict({ max_length: int(9) })}b`,
      expect.stringMatching(/HistoryBuffer/),
    ],
    ['an object with keywords', `${history})${dict({ a: 'N' })}\x92`, expect.stringMatching(/HistoryBuffer/)],
    ['a list of its own', `ccollections\ndeque\n)R(K\x01K\x02e`, '<collections.deque>'],
    ['a dict of its own', `ccollections\nCounter\n}\x85R(${text('a')}K\x02u`, '<collections.Counter>'],
    ['a path', `cpathlib\nPosixPath\n(${text('/')}${text('x')}tR`, '<pathlib.PosixPath>'],
    [
      'a date',
      `cdatetime\ndatetime\n(c_codecs\nencode\n(${text('x')}${text('latin1')}tRtR`,
      '<datetime.datetime>',
    ],
    [
      'an array',
      `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t${text('b')}tR`,
      '<numpy.core.multiarray._reconstruct>',
    ],
    ['a numpy text', `cnumpy\ndtype\n(${text('U5')}\x89\x88tR`, '<numpy.dtype>'],
    ['a called object', `${history})R)R`, expect.stringMatching(/HistoryBuffer/)],
  ])('%s becomes a stand-in that is never called', async (_name, opcodes, expected) => {
    const { meta, tensors } = await withMeta(opcodes);
    expect(meta).toEqual(expected);
    expect([...tensors.keys()]).toEqual(['w']);
  });

  test('a default dict of tensors is read as a dict', async () => {
    const state = `ccollections\ndefaultdict\n(c__builtin__\nlist\ntR(${text('w')}${one}u`;
    const file = await open(torchZip(pickle(dict({ state_dict: state })), data));
    expect([...file.tensors.keys()]).toEqual(['w']);
  });

  test('a whole model in place of its tensors is named', async () => {
    await expect(open(torchZip(pickle('cmodels\nNet\n)\x81'), data))).rejects.toThrow(
      'x.pth: holds a whole models.Net, not a dict of tensors: load it with torch and save its state_dict()',
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
    expect(failure.message).toMatch(/more than 1000000 lists, dicts and tuples/);
  });

  test('two million nested tuples are refused in little memory', async () => {
    const program = fileURLToPath(new URL('../../infra/programs/open-nested.ts', import.meta.url));
    const args = ['--max-old-space-size=150', '--import', 'tsx', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toMatch(/^x\.pth: its pickle holds more than 1000000 lists, dicts and tuples/);
  });
});
