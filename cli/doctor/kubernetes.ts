import { AuthorizationV1Api, KubeConfig, VersionApi } from '@kubernetes/client-node';
import { ask, type Cluster, openCluster } from '../../activities/launch/kubernetes/cluster.ts';
import { type Finding, found } from './finding.ts';

/** The PodTemplate that workers are made of: k8s/base/pod-template.yaml. */
const POD_TEMPLATE = 'tessera-worker';
const GPU = 'nvidia.com/gpu';
/** What k8s/base/role.yaml allows a control worker. */
const NEEDED: { group: string; resource: string; verbs: string[]; name?: string }[] = [
  { group: 'batch', resource: 'jobs', verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'] },
  { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
  { group: '', resource: 'pods/log', verbs: ['get'] },
  { group: '', resource: 'events', verbs: ['list'] },
  { group: '', resource: 'podtemplates', verbs: ['get'], name: POD_TEMPLATE },
];

/** A cluster: whether it answers, our rights, the PodTemplate and its images, quota, and GPUs. */
export async function checkKubernetes(): Promise<Finding[]> {
  let cluster: Cluster;
  try {
    cluster = openCluster();
  } catch (error) {
    const refusal = await found('Kubernetes', 'cluster', async () => {
      throw error;
    });
    return [
      { ...refusal, remedy: 'set KUBECONFIG, or leave Kubernetes out: workers are then local processes' },
    ];
  }
  const config = new KubeConfig();
  config.loadFromDefault();
  const server = await found('Kubernetes', 'cluster', async () => {
    const { gitVersion } = await ask('report its version', config.makeApiClient(VersionApi).getCode());
    return `${config.getCurrentCluster()?.server}, ${gitVersion}, namespace ${cluster.namespace}`;
  });
  if (server.state === 'failed') return [server];
  const review = config.makeApiClient(AuthorizationV1Api);
  return [
    server,
    await found('Kubernetes', 'rights', () => rights(review, cluster.namespace)),
    await found('Kubernetes', 'PodTemplate', () => podTemplate(cluster)),
    await found('Kubernetes', 'quota', () => quota(cluster)),
    await found('Kubernetes', 'GPUs', () => gpus(cluster)),
  ];
}

async function rights(review: AuthorizationV1Api, namespace: string): Promise<string | Partial<Finding>> {
  const asked = NEEDED.flatMap((rule) => rule.verbs.map((verb) => ({ ...rule, verb })));
  const answers = await Promise.all(
    asked.map(async ({ group, resource, verb, name }) => {
      const [kind, subresource] = resource.split('/');
      const resourceAttributes = {
        namespace,
        group,
        verb,
        resource: kind!,
        ...(subresource ? { subresource } : {}),
        ...(name ? { name } : {}),
      };
      const request = review.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } });
      const { status } = await ask('review our rights', request);
      return { right: `${verb} ${resource}`, allowed: status?.allowed === true };
    }),
  );
  const missing = answers.filter(({ allowed }) => !allowed).map(({ right }) => right);
  if (missing.length === 0) return 'all that a control worker needs';
  return {
    state: 'failed',
    detail: `not allowed: ${missing.join(', ')}`,
    remedy: 'apply k8s/base/role.yaml and bind it to who runs the control worker',
  };
}

async function podTemplate({ core, namespace }: Cluster): Promise<string | Partial<Finding>> {
  const request = core.readNamespacedPodTemplate({ name: POD_TEMPLATE, namespace });
  const { template } = await ask(`read PodTemplate ${POD_TEMPLATE}`, request);
  const images = (template?.spec?.containers ?? []).map(({ image }) => image ?? 'no image');
  const floating = images.filter((image) => !/@sha256:|:[^/]*\d[^/]*$/.test(image));
  if (floating.length === 0) return images.join(', ');
  return {
    state: 'note',
    detail: `${floating.join(', ')} names no version: pods of one run could differ`,
    remedy: "pin it in your overlay's images, by tag or digest",
  };
}

async function quota({ core, namespace }: Cluster): Promise<string> {
  const { items } = await ask('list quotas', core.listNamespacedResourceQuota({ namespace }));
  if (items.length === 0) return 'none';
  return items
    .flatMap(({ status }) =>
      Object.entries(status?.hard ?? {}).map(
        ([what, hard]) => `${what} ${status?.used?.[what] ?? 0} of ${hard}`,
      ),
    )
    .join(', ');
}

async function gpus({ core }: Cluster): Promise<string | Partial<Finding>> {
  const { items } = await ask('list nodes', core.listNode());
  const count = items.reduce((sum, { status }) => sum + Number(status?.allocatable?.[GPU] ?? 0), 0);
  if (count > 0) return `${count} on ${items.length} nodes`;
  return {
    state: 'note',
    detail: `none on ${items.length} nodes (${GPU})`,
    remedy: 'fine if an autoscaler brings them, or on the CPU; else install the device plugin',
  };
}
