import { AuthorizationV1Api, KubeConfig } from '@kubernetes/client-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { NAMESPACE } from './cluster.ts';
import { kubectl } from './kubectl.ts';

/** What the shipped Role allows, and nothing else. By the API server's own authoriser. */
const ALLOWED: Record<string, string[]> = {
  'jobs.batch': ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  pods: ['get', 'list', 'watch'],
  'pods/log': ['get'],
  events: ['list'],
  'podtemplates/tessera-worker': ['get'],
};
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const RESOURCES = [
  'pods',
  'pods/log',
  'pods/exec',
  'pods/attach',
  'pods/eviction',
  'pods/status',
  'pods/portforward',
  'pods/ephemeralcontainers',
  'jobs.batch',
  'jobs.batch/status',
  'cronjobs.batch',
  'events',
  'podtemplates',
  'podtemplates/tessera-worker',
  'secrets',
  'secrets/tessera-s3',
  'configmaps',
  'serviceaccounts',
  'serviceaccounts/token',
  'services',
  'endpoints',
  'persistentvolumeclaims',
  'resourcequotas',
  'limitranges',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'roles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'networkpolicies.networking.k8s.io',
  'leases.coordination.k8s.io',
];
const CLUSTER_WIDE = [
  'nodes',
  'namespaces',
  'persistentvolumes',
  'clusterroles.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
  'certificatesigningrequests.certificates.k8s.io',
];

const config = new KubeConfig();
config.loadFromDefault();
const authorization = config.makeApiClient(AuthorizationV1Api);

async function may(account: string, verb: string, target: string, namespace?: string): Promise<boolean> {
  const [kind = '', rest] = target.split('/');
  const [resource, ...group] = kind.split('.');
  // `pods/log` is a subresource, `secrets/tessera-s3` an object.
  const part = rest?.startsWith('tessera-') ? { name: rest } : { subresource: rest ?? '' };
  const attributes = { verb, resource: resource!, group: group.join('.'), ...part };
  const { status } = await authorization.createSubjectAccessReview({
    body: {
      spec: {
        user: `system:serviceaccount:${NAMESPACE}:${account}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${NAMESPACE}`, 'system:authenticated'],
        resourceAttributes: namespace ? { ...attributes, namespace } : attributes,
      },
    },
  });
  return status!.allowed;
}

describe('the control worker’s Role', () => {
  beforeAll(() => kubectl('apply', '--server-side', '-k', new URL('overlay', import.meta.url).pathname));

  it.each(RESOURCES)(
    'allows for %s what the launcher needs, verb by verb, and nothing else',
    async (resource) => {
      const verbs = VERBS.filter((verb) => verb !== 'create' || !resource.includes('/tessera-'));
      const allowed = [];
      for (const verb of verbs)
        if (await may('tessera-control', verb, resource, NAMESPACE)) allowed.push(verb);
      expect(allowed.sort()).toEqual((ALLOWED[resource] ?? []).toSorted());
    },
  );

  it('allows nothing in another namespace, and nothing of the cluster’s', async () => {
    for (const resource of Object.keys(ALLOWED))
      for (const verb of ALLOWED[resource]!)
        expect(await may('tessera-control', verb, resource, 'default')).toBe(false);
    for (const resource of CLUSTER_WIDE)
      for (const verb of ['get', 'list', 'create', 'delete'])
        expect(await may('tessera-control', verb, resource)).toBe(false);
    for (const verb of ['impersonate', 'bind', 'escalate'])
      expect(await may('tessera-control', verb, 'serviceaccounts', NAMESPACE)).toBe(false);
  });
});

describe('a worker', () => {
  it('may do nothing at all', async () => {
    for (const resource of RESOURCES)
      for (const verb of ['get', 'list', 'create', 'delete'])
        expect(await may('tessera-worker', verb, resource, NAMESPACE)).toBe(false);
  });
});
