import { createServer, request as plainRequest, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { CoreV1Api, KubeConfig, type V1Pod, Watch } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Followed, follow } from '../../activities/launch/kubernetes/follow.ts';
import { eventually, kubectl, kubectlWith } from './kubectl.ts';

/** In the namespace `default`, which has no rules of ours. */
const NAMESPACE = 'default';
const LABEL = 'test=watch-stalls';

const direct = new KubeConfig();
direct.loadFromDefault();
let proxy: Server;
/** Watches through the proxy are opened, and then nothing comes any more: what a lost packet or a sick proxy does. */
let stalls = false;
let watches = 0;

beforeAll(async () => {
  const server = new URL(direct.getCurrentCluster()!.server);
  const options = await direct.applyToFetchOptions({});
  const headers = Object.fromEntries(new Headers(options.headers as Record<string, string>));
  const send = server.protocol === 'https:' ? request : plainRequest;
  proxy = createServer((incoming, response) => {
    const outgoing = send(
      new URL(incoming.url!, server),
      { method: incoming.method, headers, agent: options.agent as never },
      (answer) => {
        response.writeHead(answer.statusCode!, { 'content-type': 'application/json' });
        const isWatch = incoming.url!.includes('watch=true');
        if (isWatch) watches++;
        if (isWatch && stalls) response.flushHeaders();
        else answer.pipe(response);
      },
    );
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
    response.on('close', () => outgoing.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await kubectl('delete', 'pods', '-n', NAMESPACE, '-l', LABEL, '--grace-period=0', '--force');
});

it('a watch that stalls is noticed, and what it hid is seen by the next list', async () => {
  const throughProxy = new KubeConfig();
  const { port } = proxy.address() as AddressInfo;
  throughProxy.loadFromClusterAndUser(
    { name: 'proxy', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'nobody' },
  );
  const core = throughProxy.makeApiClient(CoreV1Api);
  const pods = follow<V1Pod>({
    watch: new Watch(throughProxy),
    path: `/api/v1/namespaces/${NAMESPACE}/pods`,
    labelSelector: LABEL,
    list: () => core.listNamespacedPod({ namespace: NAMESPACE, labelSelector: LABEL }),
    watchSeconds: 2,
    stallMarginMs: 1_000,
  });
  try {
    expect(await pods.items()).toEqual([]);
    await eventually('a watch that works shows a pod at once', async () => {
      if (watches > 0 && (await names(pods)).length === 0) makePod('seen-by-watch');
      return (await names(pods)).includes('seen-by-watch');
    });
    expect(pods.stalls()).toBe(0);
    stalls = true;
    await eventually('it is noticed', async () => pods.stalls() > 0, { timeoutMs: 15_000 });
    makePod('hidden-by-a-stall');
    await eventually(
      'the next list shows it',
      async () => (await names(pods)).includes('hidden-by-a-stall'),
      {
        timeoutMs: 15_000,
      },
    );
  } finally {
    pods.stop();
  }
});

async function names(pods: Followed<V1Pod>): Promise<(string | undefined)[]> {
  return (await pods.items()).map(({ metadata }) => metadata?.name);
}

function makePod(name: string): void {
  const [key, value] = LABEL.split('=');
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { [key!]: value } },
    spec: { containers: [{ name: 'none', image: 'none' }], nodeSelector: { there: 'is-none' } },
  };
  kubectlWith(JSON.stringify(pod), 'apply', '--server-side', '-f', '-');
}
