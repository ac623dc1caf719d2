import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { stageDataset } from '../../../activities/stage/stage-dataset.ts';
import { createZipWriter } from '../../../core/checkpoint/zip-writer.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import { annotationOf, jpegOf } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { type ZipPart, zipOf } from './hand-made-zip.ts';

const HOOKS = { signal: new AbortController().signal, onProgress: () => {} };
const LAYOUT = {
  imageDir: 'images/validation',
  annotationDir: 'annotations/validation',
  imageSuffix: '.jpg',
  annotationSuffix: '.png',
};

/** Files of a dataset by their paths: two images, as ADE20K names them. */
async function files(): Promise<Record<string, Buffer>> {
  const of: Record<string, Buffer> = { 'objectInfo150.txt': Buffer.from('Idx Ratio') };
  for (const [i, id] of ['ADE_val_00000002', 'ADE_val_00000001'].entries()) {
    of[`images/validation/${id}.jpg`] = await jpegOf(40 + i, 30, i);
    of[`annotations/validation/${id}.png`] = annotationOf(40 + i, 30, i);
    of[`images/training/${id.replace('val', 'train')}.jpg`] = await jpegOf(50, 50, i);
  }
  return of;
}

/** As the official zip is: below a top folder, with entries for folders, some files deflated and some stored. */
function official(of: Record<string, Buffer>, top = 'ADEChallengeData2016/'): ZipPart[] {
  const folders = ['', 'images/', 'images/validation/'].map((name) => ({ name, data: Buffer.alloc(0) }));
  const parts = Object.entries(of).map(([name, data], i) => ({ name, data, deflated: i % 2 === 0 }));
  return [...folders, ...parts].map((part) => ({ ...part, name: `${top}${part.name}` }));
}

/** A zip in a folder of its own, and what stages it into a store that notes what is written. */
function zipFile(bytes: Buffer, objects = new Map<string, Buffer>()) {
  const folder = temporaryFolder();
  const source = join(folder, 'ade.zip');
  writeFileSync(source, bytes);
  const writes: string[] = [];
  const memory = memoryStore(objects);
  const store: Store = {
    ...memory,
    write: async (uri, body) => {
      writes.push(uri);
      await memory.write(uri, body);
    },
  };
  const input = { source, destination: 's3://bucket/ade', name: 'ADE20K', ...LAYOUT };
  return { folder, source, objects, writes, stage: () => stageDataset(store, input, HOOKS) };
}

/** The same files in a folder, staged the way that is tested elsewhere. */
async function stagedFolder(of: Record<string, Buffer>): Promise<Map<string, Buffer>> {
  const source = temporaryFolder();
  for (const [name, bytes] of Object.entries(of)) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), bytes);
  }
  const objects = new Map<string, Buffer>();
  const input = { source, destination: 's3://bucket/ade', name: 'ADE20K', ...LAYOUT };
  await stageDataset(memoryStore(objects), input, HOOKS);
  return objects;
}

describe('a zip as it is downloaded', () => {
  test.each(['ADEChallengeData2016/', ''])(
    "below the top folder '%s' gives the same objects as the unpacked folder",
    async (top) => {
      const of = await files();
      const { stage, objects, folder } = zipFile(zipOf(official(of, top)));
      expect(await stage()).toMatchObject({ uploadedFiles: 4, totalFiles: 4 });
      expect(objects).toEqual(await stagedFolder(of));
      expect(readdirSync(folder)).toEqual(['ade.zip']);
    },
  );

  test('with zip64 numbers is read as well', async () => {
    const of = await files();
    const writer = createZipWriter(0);
    const pieces = Object.entries(of).flatMap(([name, data]) => [
      writer.begin(`ADE/${name}`, data.length),
      writer.add(data),
      writer.end(),
    ]);
    const { stage, objects } = zipFile(Buffer.concat([...pieces, writer.finish()]));
    await stage();
    expect(objects).toEqual(await stagedFolder(of));
  });

  test('uploads nothing the second time, nor after the unpacked folder', async () => {
    const of = await files();
    const { stage, writes } = zipFile(zipOf(official(of)), await stagedFolder(of));
    expect(await stage()).toMatchObject({ uploadedFiles: 0, uploadedBytes: 0, totalFiles: 4 });
    expect(writes).toEqual([]);
  });

  test('made by macOS has no images in __MACOSX, nor hidden ones', async () => {
    const of = await files();
    const junk = ['__MACOSX/images/validation/._ADE_val_00000001.jpg', 'images/validation/._x.jpg'];
    const parts = junk.map((name) => ({ name, data: Buffer.from('Mac OS X') }));
    const { stage, objects } = zipFile(zipOf([...official(of, ''), ...parts]));
    expect(await stage()).toMatchObject({ totalFiles: 4 });
    expect(objects).toEqual(await stagedFolder(of));
  });
});

describe('a zip is refused', () => {
  test.each<[string, (of: Record<string, Buffer>) => Buffer, RegExp]>([
    [
      'with a name that leads out of it',
      (of) => zipOf([...official(of), { name: '../../etc/cron.d/x', data: Buffer.from('x') }]),
      /ade\.zip: .*invalid relative path: \.\.\/\.\.\/etc\/cron\.d\/x/,
    ],
    [
      'with an absolute name',
      (of) => zipOf([...official(of), { name: '/etc/passwd', data: Buffer.from('x') }]),
      /ade\.zip: .*absolute path: \/etc\/passwd/,
    ],
    [
      'with two entries of one name',
      (of) => zipOf([...official(of), ...official(of).slice(-1)]),
      /ade\.zip: two entries of the zip are named ADEChallengeData2016\/images\/training\/ADE_train_00000001\.jpg/,
    ],
    [
      'that says to have ten million entries',
      (of) => {
        const writer = createZipWriter(0);
        const [name, data] = Object.entries(of)[0]!;
        const parts = [writer.begin(name, data.length), writer.add(data), writer.end()];
        const bytes = Buffer.concat([...parts, writer.finish()]);
        // The zip64 end record, its locator and the end record are the last 56 + 20 + 22 bytes.
        bytes.writeBigUInt64LE(10_000_000n, bytes.length - 98 + 32);
        return bytes;
      },
      /ade\.zip: the zip says that it has 10000000 entries, at most 500000 are read/,
    ],
    [
      'that unpacks to far more than any image does',
      (of) =>
        zipOf([
          ...official(of),
          {
            name: 'ADEChallengeData2016/images/validation/bomb.jpg',
            data: Buffer.alloc(40 << 20),
            deflated: true,
          },
        ]),
      /ade\.zip: \d+ bytes say that they unpack to \d+, more than 200 times as many/,
    ],
    [
      'with entries that overlap',
      (of) => zipOf(official(of).map((part) => ({ ...part, deflated: true, declaredPackedBytes: 1 << 20 }))),
      /ade\.zip: entries of \d+ bytes in a zip of \d+: they overlap/,
    ],
    [
      'with an entry of more bytes than it says',
      (of) => zipOf(official(of).map((part) => ({ ...part, ...lie(part, { declaredBytes: 100 }) }))),
      /ade\.zip: ADEChallengeData2016\/images\/validation\/ADE_val_00000001\.jpg: cannot be unpacked: too many bytes/,
    ],
    [
      'with an entry that says to be huge, before it is unpacked',
      (of) => {
        const pad = { name: 'pad', data: Buffer.alloc(1 << 20, 7) };
        return zipOf([pad, ...official(of).map((part) => lie(part, { declaredBytes: 129 << 20 }))]);
      },
      /ADE_val_00000001\.jpg: says that it has 135266304 bytes; at most 134217728 are read/,
    ],
    [
      'with a damaged entry',
      (of) => zipOf(official(of).map((part) => lie(part, { declaredCrc: 1 }))),
      /ADE_val_00000001\.jpg: damaged: its checksum differs/,
    ],
    [
      'with an encrypted entry',
      (of) => zipOf(official(of).map((part) => lie(part, { flags: 1 }))),
      /ADE_val_00000001\.jpg: cannot be unpacked: entry is encrypted/,
    ],
    [
      'with a compression that nobody knows',
      (of) => zipOf(official(of).map((part) => lie(part, { method: 12 }))),
      /ADE_val_00000001\.jpg: cannot be unpacked: unsupported compression method: 12/,
    ],
    [
      'that is cut off',
      (of) => zipOf(official(of)).subarray(0, -200),
      /ade\.zip: not a zip that can be read/,
    ],
    ['that is none', () => Buffer.from('<html>sign in</html>'), /ade\.zip: not a zip that can be read/],
  ])('%s, and no manifest is written', async (_, make, message) => {
    const { stage, objects } = zipFile(make(await files()));
    await expect(stage()).rejects.toThrow(BadData);
    await expect(stage()).rejects.toThrow(message);
    expect([...objects.keys()].filter((uri) => uri.endsWith('.json'))).toEqual([]);
  });

  test('without the layout, or with two of them', async () => {
    const of = await files();
    const none = zipFile(zipOf([{ name: 'a/b/images/validation/x.jpg', data: Buffer.from('x') }]));
    await expect(none.stage()).rejects.toThrow(BadInput);
    await expect(none.stage()).rejects.toThrow('ade.zip: no images/validation/ in it');
    const two = zipFile(zipOf([...official(of, 'a/'), ...official(of, 'b/')]));
    await expect(two.stage()).rejects.toThrow(BadInput);
    await expect(two.stage()).rejects.toThrow('a/images/validation/ and b/images/validation/; leave one');
  });

  test('without the annotation of an image, naming both', async () => {
    const { 'annotations/validation/ADE_val_00000001.png': _, ...of } = await files();
    const { stage, source } = zipFile(zipOf(official(of)));
    await expect(stage()).rejects.toThrow(
      `${source}: ADEChallengeData2016/annotations/validation/ADE_val_00000001.png: missing, ` +
        'the annotation of images/validation/ADE_val_00000001.jpg',
    );
  });
});

/** Untrue only of the validation image that comes deflated. */
function lie(part: ZipPart, untrue: Partial<ZipPart>): ZipPart {
  return part.name.endsWith('images/validation/ADE_val_00000001.jpg')
    ? { ...part, deflated: true, ...untrue }
    : part;
}

test('a source that is no folder and no zip of this machine is refused', async () => {
  const request = { destination: 's3://bucket/ade', name: 'ADE20K', ...LAYOUT };
  const refusal = (source: string) => stageDataset(memoryStore(), { ...request, source }, HOOKS);
  await expect(refusal('/no/such')).rejects.toThrow('/no/such: no such file or folder');
  await expect(refusal('s3://bucket/ade.zip')).rejects.toThrow(BadInput);
  await expect(refusal('https://example.org/ade.zip')).rejects.toThrow(
    'from a folder or a zip file; download it first',
  );
});
