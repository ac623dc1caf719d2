import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ITEM_BYTES } from '../../../core/checkpoint/dtypes.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { type TorchState, torchFileChunks } from '../../../core/checkpoint/torch-writer.ts';
import { createZipWriter } from '../../../core/checkpoint/zip-writer.ts';
import { DTYPES } from '../../../core/config/manifests.ts';
import { open, readAtOf } from './hand-made.ts';

/** A python that has torch, such as that of the reference benchmark's virtual environment. */
const python = process.env.TESSERA_PYTHON;
/** Importing torch takes seconds on a cold disk. */
const TIMEOUT_MS = 60_000;

/** Prints what torch finds in each file: keys, meta, and each tensor's dtype, shape and bytes. */
const LOAD = `
import json, sys, torch
def describe(t):
    raw = bytes(t.reshape(-1).view(torch.uint8).tolist())
    return [str(t.dtype), list(t.shape), raw.hex()]
found = {}
for file in sys.argv[2:]:
    top = torch.load(file, map_location='cpu', weights_only=sys.argv[1] == 'weights_only')
    wrap = next((key for key in ('state_dict', 'module') if key in top), None)
    tensors = top[wrap] if wrap else top
    found[file.split('/')[-1]] = {
        'wrap': wrap or 'none', 'meta': top.get('meta'), 'type': type(tensors).__name__,
        'tensors': {name: describe(t) for name, t in tensors.items()},
    }
print(json.dumps(found))
`;

const SHAPES = [[2, 3], [], [0, 4], [1, 2, 3, 4], [70, 33]];
const TENSORS = DTYPES.flatMap((dtype) =>
  SHAPES.map((shape) => {
    const length = shape.reduce((a, b) => a * b, ITEM_BYTES[dtype]);
    // Any bytes will do but for bool, whose only ones are 0 and 1.
    const data = Uint8Array.from({ length }, (_, i) => (i * 167 + 13) & (dtype === 'bool' ? 1 : 255));
    return { name: `blocks.0.${dtype}.é[${shape}]`, dtype, shape, data };
  }),
);
const META = {
  CLASSES: ['wall', 'traffic light, traffic signal', 'ü'],
  PALETTE: [[120, 120, 120]],
  iter: 80_000,
  big: 2 ** 40,
  negative: -5,
  none: null,
  nested: { yes: true, no: false, empty: [] },
};

/** mmcv loads everything; torch 1 refuses numbers with a point where only weights are allowed. */
const metaFor = (mode: string) => (mode === 'everything' ? { ...META, lr: 4e-5 } : META);

const statesFor = (mode: string): Record<string, TorchState> => ({
  flat: { tensors: TENSORS, wrap: 'none' },
  state_dict: { tensors: TENSORS, wrap: 'state_dict', meta: metaFor(mode) },
  module: { tensors: TENSORS, wrap: 'module' },
});

describe('PyTorch itself', () => {
  test.for(['weights_only', 'everything'])(
    'loads every form that is written, bit for bit: %s',
    { timeout: TIMEOUT_MS },
    async (mode, { skip }) => {
      skip(!python, 'TESSERA_PYTHON names no python with torch');
      const folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-torch-'));
      const files: string[] = [];
      const states = statesFor(mode);
      for (const [name, state] of Object.entries(states))
        for (const zip of ['zip', 'zip64']) {
          const writer = zip === 'zip64' ? createZipWriter(0) : createZipWriter();
          files.push(path.join(folder, `${name}.${zip}`));
          await writeFile(files.at(-1)!, Buffer.concat([...torchFileChunks(state, writer)]));
        }
      const run = promisify(execFile)(python!, ['-c', LOAD, mode, ...files], { maxBuffer: 64 << 20 });
      const { stdout } = await run.finally(() => rm(folder, { recursive: true }));
      const found = JSON.parse(stdout);
      expect(Object.keys(found)).toEqual(files.map((file) => path.basename(file)));
      for (const [file, { wrap, meta, type, tensors }] of Object.entries<Record<string, unknown>>(found)) {
        const written = states[file.split('.')[0]!]!;
        expect({ wrap, meta, type }).toEqual({
          wrap: written.wrap,
          meta: written.meta ?? null,
          type: 'OrderedDict',
        });
        expect(tensors, file).toEqual(
          Object.fromEntries(
            TENSORS.map(({ name, dtype, shape, data }) => [
              name,
              [`torch.${dtype}`, shape, Buffer.from(data).toString('hex')],
            ]),
          ),
        );
      }
    },
  );
});

/** Writes what training scripts of many kinds note beside the tensors, as torch pickles it. */
const SAVE = `
import collections, datetime, functools, pathlib, random, sys, numpy, torch
class HistoryBuffer:
    def __init__(self): self._log_history, self._statistics = numpy.arange(3.0), {'mean': functools.partial(max, 0)}
    def mean(self): return 0
w = torch.arange(6, dtype=torch.float32).reshape(2, 3)
state = collections.OrderedDict([('module.w', w.t()), ('module.half', w.half()), ('module.extra', None)])
notes = {
    'meta': {'epoch': 3, 'time': datetime.datetime.now(), 'mIoU': numpy.float64(0.75), 'name': numpy.str_('x')},
    'state_dict': state,
    'message_hub': {'log_scalars': collections.OrderedDict(loss=HistoryBuffer()), 'runtime_info': {'iter': numpy.int64(5)}},
    'optimizer': {'state': collections.defaultdict(dict, {0: {'exp_avg': w.clone()}}), 'param_groups': [{'lr': 1e-4}]},
    'counters': collections.Counter('aab'), 'recent': collections.deque([1.5], maxlen=3),
    'paths': [pathlib.Path('/x/y'), pathlib.PurePosixPath('z')],
    'dates': [datetime.date.today(), datetime.timedelta(1), datetime.timezone.utc],
    'random': [random.getstate(), numpy.random.get_state(), torch.get_rng_state()],
    'arrays': [numpy.zeros((2, 2)), numpy.array(['a', 'b']), numpy.datetime64('2026-01-01')],
    'torch': [torch.float16, torch.device('cuda', 0), torch.Size([1]), torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)],
    'plain': [1 + 2j, range(3), slice(1, 2), b'bytes', bytearray(b'ba'), frozenset([1]), {2}, ..., NotImplemented],
    'class': HistoryBuffer, 'sparse': w.to_sparse(), 'complex': torch.zeros(2, dtype=torch.complex64),
}
for protocol in (2, 3, 4, 5):
    torch.save(notes, f'{sys.argv[1]}/{protocol}.pth', pickle_protocol=protocol)
`;

test('what training scripts note beside the tensors is no obstacle, in any protocol of pickle', {
  timeout: TIMEOUT_MS,
}, async ({ skip }) => {
  skip(!python, 'TESSERA_PYTHON names no python with torch');
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-torch-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await promisify(execFile)(python!, ['-c', SAVE, folder]);
  for (const protocol of [2, 3, 4, 5]) {
    const bytes = await readFile(path.join(folder, `${protocol}.pth`));
    const file = await open(bytes, `${protocol}.pth`);
    expect([...file.tensors.keys()]).toEqual(['w', 'half']);
    const w = file.tensors.get('w')!;
    expect([...toFloat32(await readTensor(file, w, readAtOf(bytes)), w.dtype)]).toEqual([0, 3, 1, 4, 2, 5]);
    expect(file.meta).toMatchObject({ epoch: 3, mIoU: 0.75, time: '<datetime.datetime>' });
  }
});
