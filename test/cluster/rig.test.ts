import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { V1NodeList } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getJson, kubectl, kubectlWith } from './kubectl.ts';

const NAMESPACE = 'rig-test';
/** The rig's own address, which pods reach: see infra/local/kubernetes/rig.sh. */
const HOST = '10.99.0.1';

/** Runs in a pod, as its whole program: what it finds, as JSON. */
const LOOK_AROUND = `
const { readFileSync, writeFileSync } = require('node:fs');
const secrets = '/var/run/secrets/kubernetes.io/serviceaccount/';
const env = process.env;
const api = (path) => new Promise((resolve, reject) => require('node:https').get({
  host: env.KUBERNETES_SERVICE_HOST, port: env.KUBERNETES_SERVICE_PORT, path, ca: readFileSync(secrets + 'ca.crt'),
  headers: { authorization: 'Bearer ' + readFileSync(secrets + 'token') },
}, (answer) => resolve(answer.resume().statusCode)).on('error', reject));
const write = (file) => { try { writeFileSync(file, ''); return 'ok'; } catch (error) { return error.code; } };
(async () => console.log(JSON.stringify({
  uid: process.getuid(),
  root: write('/app/x'),
  tmp: write('/tmp/x'),
  cache: write('/cache/' + env.HOSTNAME),
  apiHost: env.KUBERNETES_SERVICE_HOST,
  version: await api('/version'),
  forbidden: await api('/api/v1/nodes'),
  name: (await require('node:dns').promises.lookup('kubernetes.default.svc')).address,
  host: await fetch(env.HOST_URL).then((answer) => answer.text()),
})))();`;

function pod(name: string, node: string, hostUrl: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      nodeName: node,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'look',
          image: 'tessera-control:test',
          imagePullPolicy: 'Never',
          command: ['node', '-e', LOOK_AROUND],
          env: [{ name: 'HOST_URL', value: hostUrl }],
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'cache', mountPath: '/cache' },
          ],
        },
      ],
      volumes: [
        { name: 'tmp', emptyDir: {} },
        { name: 'cache', hostPath: { path: '/var/cache/tessera', type: 'Directory' } },
      ],
    },
  };
}

describe.skipIf(!process.env.TESSERA_RIG)('the test cluster', () => {
  const server = createServer((_, response) => response.end('hello'));
  let hostUrl = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    hostUrl = `http://${HOST}:${(server.address() as AddressInfo).port}`;
    await kubectl('create', 'namespace', NAMESPACE);
  });
  afterAll(async () => {
    server.close();
    await kubectl('delete', 'namespace', NAMESPACE, '--wait=false');
  });

  test('has two nodes that are ready, with two GPUs each', async () => {
    const { items } = await getJson<V1NodeList>('nodes');
    const seen = items.map(({ metadata, status }) => [
      metadata?.name,
      status?.conditions?.find(({ type }) => type === 'Ready')?.status,
      status?.allocatable?.['nvidia.com/gpu'],
    ]);
    expect(seen).toEqual([
      ['node-1', 'True', '2'],
      ['node-2', 'True', '2'],
    ]);
  });

  test('runs pods of our image as nobody, who reach the API server, Services by name, and our servers', async () => {
    const pods = ['node-1', 'node-2'].map((node) => pod(`on-${node}`, node, hostUrl));
    kubectlWith(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods }), 'apply', '-f', '-');
    for (const name of ['on-node-1', 'on-node-2']) {
      const done = '--for=jsonpath={.status.phase}=Succeeded';
      await kubectl('-n', NAMESPACE, 'wait', done, `pod/${name}`, '--timeout=60s');
      const seen = JSON.parse(await kubectl('-n', NAMESPACE, 'logs', name));
      expect(seen).toEqual({
        uid: 65532,
        root: 'EROFS',
        tmp: 'ok',
        cache: 'ok',
        apiHost: '10.0.0.1',
        version: 200,
        forbidden: 403,
        name: '10.0.0.1',
        host: 'hello',
      });
    }
  });

  test("each node has a cache folder of its own, which lives in the rig's folder", async () => {
    for (const node of ['node-1', 'node-2']) {
      const cache = `${process.env.TESSERA_RIG}/nodes/${node}/var/cache/tessera`;
      const files = await readdir(cache); // Those of other tests' runs among them.
      expect(files.filter((name) => name.startsWith('on-'))).toEqual([`on-${node}`]);
    }
  });
});
