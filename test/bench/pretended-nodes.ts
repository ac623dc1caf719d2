import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { spawnTied, type TiedProcess } from '../../infra/local/processes.ts';
import { PACKAGE } from '../../workers/environment.ts';

const GPUS_PER_NODE = 8;

/**
 * Nodes that KWOK pretends, and Tessera's namespace with quota for all of their GPUs: pods are scheduled for real, and
 * then called running by KWOK without a container.
 *
 * @param kwok its program
 */
export async function pretendNodes(kwok: string, gpus: number): Promise<TiedProcess> {
  const kubectl = (...args: string[]) =>
    promisify(execFile)(process.env.KUBE ?? 'kubectl', [...(process.env.KUBE ? ['kubectl'] : []), ...args]);
  await kubectl('apply', '--server-side', '-k', path.join(PACKAGE, 'k8s/base'));
  const quota = { spec: { hard: { 'requests.nvidia.com/gpu': `${gpus}`, pods: '1000' } } };
  for (const resource of ['requests.cpu', 'requests.memory'])
    Object.assign(quota.spec.hard, { [resource]: '100000Gi' });
  await kubectl('patch', 'resourcequota', 'tessera', '-n', 'tessera', '-p', JSON.stringify(quota));
  const container = { name: 'worker', resources: { limits: { 'nvidia.com/gpu': '1' } } };
  const template = {
    template: { spec: { containers: [container], nodeSelector: { type: 'pretended' } } },
  };
  await kubectl('patch', 'podtemplate', 'tessera-worker', '-n', 'tessera', '-p', JSON.stringify(template));

  const config = new KubeConfig();
  config.loadFromDefault();
  const core = config.makeApiClient(CoreV1Api);
  for (let i = 0; i < Math.ceil(gpus / GPUS_PER_NODE); i++) {
    const resources = { cpu: '128', memory: '1Ti', 'ephemeral-storage': '1Ti', pods: '110' };
    const status = { capacity: { ...resources, 'nvidia.com/gpu': `${GPUS_PER_NODE}` } };
    const name = `pretended-${i}`;
    const metadata = {
      name,
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
      labels: { type: 'pretended', 'kubernetes.io/hostname': name },
    };
    await core.createNode({
      body: { metadata, status: { ...status, allocatable: status.capacity } },
    });
  }
  const args = [
    `--config=${path.join(PACKAGE, 'infra/local/kubernetes/kwok/stages.yaml')}`,
    '--manage-all-nodes=false',
    '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake',
    '--node-ip=10.99.0.1',
    '--cidr=10.77.0.0/16',
    '--node-lease-duration-seconds=40',
  ];
  return spawnTied(kwok, [`--kubeconfig=${process.env.KUBECONFIG}`, ...args], {
    output: { file: path.join(process.env.TESSERA_RIG ?? '/tmp', 'kwok.log') },
  });
}
