import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { openHub } from '../../../activities/hub/hub.ts';
import { hubSettings } from '../../../activities/hub/hub-client.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { BadData, BadInput, Unavailable } from '../../../core/config/failures.ts';
import { sha256 } from '../../builders.ts';
import { floats, readAtOf } from '../../core/checkpoint/hand-made.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { COMMIT, fakeHub, REPO } from './fake-hub.ts';

const MODEL = safetensors({ a: { dtype: 'F32', shape: [2], data: floats(1, 2) } });
const FILE = `hf://${REPO}@${COMMIT}/model.safetensors`;
const SHARDS = {
  '1.safetensors': MODEL,
  '2.safetensors': safetensors({ b: { dtype: 'F32', shape: [1], data: floats(3) } }),
  'model.safetensors.index.json': Buffer.from(
    JSON.stringify({ weight_map: { a: '1.safetensors', b: '2.safetensors' } }),
  ),
};

/** A Hub with files, and what reads it. */
async function served(
  files: Record<string, Buffer> = { 'model.safetensors': MODEL, 'config.json': Buffer.from('{}') },
  { token = null, ...settings }: Parameters<typeof fakeHub>[1] & { token?: string | null } = {},
) {
  const fake = await fakeHub(files, settings);
  return { ...fake, hub: openHub({ endpoint: fake.endpoint, token, backoffMs: 1 }) };
}

describe('a checkpoint on the Hub', () => {
  test.each([
    ['by its repository', `hf://${REPO}`],
    ['by a branch', `hf://${REPO}@main/model.safetensors`],
    ['by its commit', FILE],
  ])(
    'is found %s, with the address that names the commit, and the digest that the Hub knows',
    async (_, uri) => {
      const { hub } = await served();
      const { object, index, stream } = await hub.open(uri);
      expect(object).toEqual({ uri: FILE, sizeBytes: MODEL.length, sha256: sha256(MODEL) });
      expect([...index.tensors.keys()]).toEqual(['a']);
      const { offset, length } = index.tensors.get('a')!;
      expect(await buffer(await stream({ offset, length }))).toEqual(Buffer.from(floats(1, 2)));
    },
  );

  test('lies in a folder of the repository, as well', async () => {
    const { hub } = await served({ 'onnx/x.txt': MODEL, 'sub/model.safetensors': MODEL });
    expect((await hub.open(`hf://${REPO}/sub`)).object.uri).toBe(
      `hf://${REPO}@${COMMIT}/sub/model.safetensors`,
    );
  });

  test('is found on a later page of the listing', async () => {
    const others = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`${i}.txt`, Buffer.from('x')]));
    const { hub } = await served({ ...others, 'model.safetensors': MODEL }, { pageSize: 2 });
    expect((await hub.open(`hf://${REPO}`)).object.uri).toBe(FILE);
  });

  test('in shards is one safetensors file, whose shards’ digests the Hub knows', async () => {
    const { hub } = await served(SHARDS);
    const { object, index, known, stream } = await hub.open(`hf://${REPO}`);
    expect(object.uri).toBe(`hf://${REPO}@${COMMIT}/model.safetensors.index.json`);
    const bytes = await buffer(await stream({ offset: 0, length: object.sizeBytes }));
    expect((await openCheckpoint('x', bytes.length, readAtOf(bytes))).tensors).toEqual(index.tensors);
    for (const { name, offset, length, sha256: digest, prefix } of known)
      expect(sha256(Buffer.concat([prefix, bytes.subarray(offset, offset + length)])), name).toBe(digest);
    expect(known.map(({ name }) => name)).toEqual(['1.safetensors', '2.safetensors']);
  });

  test('lacks a shard that its index names', async () => {
    const { '2.safetensors': _, ...fewer } = SHARDS;
    const { hub } = await served(fewer);
    await expect(hub.open(`hf://${REPO}`)).rejects.toThrow(
      `hf://${REPO}@${COMMIT}/model.safetensors.index.json: names 2.safetensors, which the repository lacks`,
    );
  });

  test('stays the one of its commit when the revision moves', async () => {
    const { hub, move, requests } = await served();
    const { object, stream } = await hub.open(`hf://${REPO}@main`);
    move({ 'model.safetensors': safetensors({ other: { dtype: 'F32', shape: [1], data: floats(9) } }) });
    expect(await buffer(await stream({ offset: 0, length: object.sizeBytes }))).toEqual(MODEL);
    requests.length = 0;
    expect((await hub.open(object.uri)).object).toEqual(object);
    expect(requests).toEqual([]);
    expect((await hub.open(`hf://${REPO}@main`)).object.uri).not.toBe(object.uri);
  });

  test('is read with the token at the Hub, which its CDN is not told', async () => {
    const { hub, requests } = await served(undefined, {
      token: 'hf_secret',
      gated: true,
      members: ['hf_secret'],
    });
    await hub.open(`hf://${REPO}`);
    const tokens = (server: string) =>
      new Set(requests.filter((request) => request.server === server).map(({ token }) => token));
    expect(tokens('hub')).toEqual(new Set(['hf_secret']));
    expect(tokens('cdn')).toEqual(new Set([undefined]));
  });

  test('is asked for at the CDN’s own address while that holds, and at the Hub again after', async () => {
    const { hub, requests, served: settings } = await served();
    const { stream } = await hub.open(FILE);
    const read = async () => {
      requests.length = 0;
      await buffer(await stream({ offset: 0, length: 8 }));
      return requests.map(({ server }) => server);
    };
    expect(await read()).toEqual(['cdn']);
    settings.expired = true;
    expect(await read()).toEqual(['cdn', 'hub', 'cdn']);
  });

  test('comes after a rate limit, as late as the Hub asks for, and after a connection that is lost', async () => {
    const { hub, faults, served: settings } = await served();
    faults.push({ status: 429, headers: { 'Retry-After': '1' } }, { status: 503 });
    const began = performance.now();
    settings.dropAfter = 10;
    expect((await hub.open(`hf://${REPO}`)).object.uri).toBe(FILE);
    expect(performance.now() - began).toBeGreaterThan(1000);
  });
});

describe('what the Hub refuses is one sentence with the remedy', () => {
  const page = (endpoint: string) => `${endpoint}/${REPO}`;

  test('a gated model, to strangers', async () => {
    const { hub, endpoint } = await served(undefined, { gated: true });
    await expect(hub.open(FILE)).rejects.toThrow(BadInput);
    await expect(hub.open(FILE)).rejects.toThrow(
      `${FILE}: the model is gated: accept the terms on ${page(endpoint)}, and set HF_TOKEN to a token of the account that did`,
    );
  });

  test('a gated model, to an account that has not accepted', async () => {
    const { hub, endpoint } = await served(undefined, { gated: true, token: 'hf_other' });
    await expect(hub.open(FILE)).rejects.toThrow(
      `${FILE}: the model is gated, and the account of HF_TOKEN has no access: accept the terms on ${page(endpoint)}`,
    );
  });

  test.each([
    [
      'a repository that is not there, or private',
      'hf://org/other',
      null,
      /has no repository org\/other, or it is private: check the name, or set HF_TOKEN/,
    ],
    ['a revision that is not there', `hf://${REPO}@v9`, null, /has no such branch, tag or commit/],
    ['a commit that is gone', `hf://${REPO}@${'d'.repeat(40)}`, null, /has no such branch, tag or commit/],
    ['a file that is not there', `hf://${REPO}/other.bin`, null, /has no such file at this revision/],
  ])('%s', async (_, uri, token, message) => {
    const { hub } = await served(undefined, { token });
    await expect(hub.open(uri)).rejects.toThrow(BadInput);
    await expect(hub.open(uri)).rejects.toThrow(message);
  });

  test.each([
    ['a token that is none', 'hf_old', 401, /does not take HF_TOKEN .*settings\/tokens/],
    ['a token without the right', 'hf_fine', 403, /a fine-grained token needs read access/],
  ])('%s', async (_, token, status, message) => {
    const { hub, faults } = await served(undefined, { token });
    faults.push({ status });
    await expect(hub.open(FILE)).rejects.toThrow(message);
  });

  test('a rate limit that lasts', async () => {
    const { hub, faults } = await served();
    for (let i = 0; i < 9; i++) faults.push({ status: 429, headers: { RateLimit: '"api";r=0;t=0' } });
    const failure = await hub.open(FILE).catch((error) => error);
    expect(failure).toBeInstanceOf(Unavailable);
    expect(failure.message).toMatch(/the Hub answers 429 .*requests with an HF_TOKEN have a higher limit/);
  });

  test('a pointer in place of the file', async () => {
    const { hub } = await served(
      { 'model.safetensors': Buffer.concat([MODEL, Buffer.alloc(3000)]) },
      { pointers: true },
    );
    await expect(hub.open(FILE)).rejects.toThrow(BadData);
    await expect(hub.open(FILE)).rejects.toThrow(
      /the Hub lists 3\d+: a Git LFS pointer in place of the file/,
    );
  });

  test('a web page in place of the Hub’s answer', async () => {
    const { hub, faults } = await served();
    faults.push({ status: 200 });
    await expect(hub.open(`hf://${REPO}`)).rejects.toThrow(
      /answers what is not JSON; is HF_ENDPOINT a Hub\?/,
    );
  });
});

test('a small file is read, with the address that names its commit', async () => {
  const { hub } = await served();
  expect(await hub.readFile(`hf://${REPO}/config.json`)).toEqual({
    uri: `hf://${REPO}@${COMMIT}/config.json`,
    bytes: Buffer.from('{}'),
  });
  await expect(hub.readFile(`hf://${REPO}`)).rejects.toThrow(/names no file/);
});

test('settings come from the environment', () => {
  expect(hubSettings({})).toEqual({ endpoint: 'https://huggingface.co', token: null });
  expect(hubSettings({ HF_ENDPOINT: 'https://mirror.example/', HF_TOKEN: 'hf_x\n' })).toEqual({
    endpoint: 'https://mirror.example',
    token: 'hf_x',
  });
  expect(() => hubSettings({ HF_ENDPOINT: 'mirror' })).toThrow(/HF_ENDPOINT is mirror; expected an address/);
});
