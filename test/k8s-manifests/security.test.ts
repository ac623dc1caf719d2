import type { V1NetworkPolicySpec, V1PolicyRule, V1RoleRef } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { containersOf, manifestFiles, manifestsOf, podTemplates, readManifests } from './manifests.ts';
import { letsIn, letsOut, type Policy } from './reach.ts';

const pods = [...podTemplates()];
const containers = pods.flatMap(([pod, template]) =>
  containersOf(template).map((container) => ({ name: `${pod}/${container.name}`, container })),
);

describe('the Role', () => {
  it('allows the control worker what its launcher needs, and nothing else', () => {
    const [role, ...others] = manifestsOf('Role');
    expect(others).toEqual([]);
    expect(role!.rules as V1PolicyRule[]).toEqual([
      {
        apiGroups: ['batch'],
        resources: ['jobs'],
        verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
      { apiGroups: [''], resources: ['events'], verbs: ['list'] },
      { apiGroups: [''], resources: ['podtemplates'], resourceNames: ['tessera-worker'], verbs: ['get'] },
    ]);
  });

  it('is bound to the control worker alone, and nothing is allowed in the whole cluster', () => {
    const [binding, ...others] = manifestsOf('RoleBinding');
    expect(others).toEqual([]);
    expect(binding!.subjects).toEqual([{ kind: 'ServiceAccount', name: 'tessera-control' }]);
    expect((binding!.roleRef as V1RoleRef).kind).toBe('Role');
    expect([...manifestsOf('ClusterRole'), ...manifestsOf('ClusterRoleBinding')]).toEqual([]);
  });
});

describe('Pod Security', () => {
  it('is enforced by the namespace at its strictest', () => {
    const [{ metadata }] = manifestsOf('Namespace') as [ReturnType<typeof manifestsOf>[0]];
    for (const mode of ['enforce', 'audit', 'warn'])
      expect(metadata.labels).toMatchObject({ [`pod-security.kubernetes.io/${mode}`]: 'restricted' });
  });

  it.each(pods)('%s is not root, and has no more of the node than it needs', (_, { spec }) => {
    expect(spec!.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect([spec!.hostNetwork, spec!.hostPID, spec!.hostIPC]).toEqual([undefined, undefined, undefined]);
    expect((spec!.volumes ?? []).filter(({ hostPath }) => hostPath)).toEqual([]);
    expect(spec!.enableServiceLinks).toBe(false);
  });

  it.each(containers)('$name can gain no privilege, and write nowhere but its volumes', ({ container }) => {
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('gives a token of Kubernetes’ to the control worker alone', () => {
    const withToken = pods.filter(([, { spec }]) => spec!.automountServiceAccountToken !== false);
    expect(withToken.map(([name]) => name)).toEqual(['tessera-control']);
    const accounts = manifestsOf('ServiceAccount');
    expect(accounts.map(({ metadata }) => metadata.name)).toEqual(['tessera-control', 'tessera-worker']);
    for (const account of accounts) expect(account.automountServiceAccountToken).toBe(false);
  });
});

describe('images', () => {
  it.each(containers)('$name names one that a registry need not be asked for again', ({ container }) => {
    expect(container.image).toMatch(/^(tessera-(control|worker)|[\w./-]+:v?\d[\w.]*)$/);
    expect(container.imagePullPolicy).toBe('IfNotPresent');
  });
});

describe('NetworkPolicies', () => {
  const policies = manifestsOf('NetworkPolicy').map(({ metadata, spec }) => ({
    name: metadata.name!,
    spec: spec as V1NetworkPolicySpec,
  }));

  it('deny what no other allows', () => {
    const { spec } = policies.find(({ name }) => name === 'default-deny')!;
    expect(spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  });

  it('select pods that there are', () => {
    const names = new Set(pods.map(([, { metadata }]) => metadata?.labels?.['app.kubernetes.io/name']));
    for (const { spec } of policies) {
      const { matchLabels = {}, matchExpressions = [] } = spec.podSelector ?? {};
      const selected = [...Object.values(matchLabels), ...matchExpressions.flatMap(({ values }) => values)];
      for (const name of selected) expect(names).toContain(name);
    }
  });

  it('let workers reach DNS, Temporal and HTTPS, but no link-local address', () => {
    const worker = policies.filter(({ name }) => ['dns', 'temporal-and-s3'].includes(name));
    const rules = worker.flatMap(({ spec }) => spec.egress ?? []);
    expect(rules.map(({ ports }) => [...new Set(ports!.map(({ port }) => port))])).toEqual([
      [53],
      [7233],
      [443],
    ]);
    const blocks = rules.at(-1)!.to!.map(({ ipBlock }) => ipBlock!);
    expect(blocks.map(({ cidr }) => cidr)).toEqual(['0.0.0.0/0', '::/0']);
    expect(blocks[0]!.except).toContain('169.254.0.0/16');
  });

  it('let workers reach each other where features are taken, and nobody anything else of a worker', () => {
    const base = readManifests('base/network-policies.yaml').map(({ spec }) => spec as Policy);
    const { metadata, spec } = podTemplates().get('tessera-worker')!;
    const worker = metadata!.labels!;
    const ports = [...spec!.containers[0]!.ports!, { name: 'https', containerPort: 443 }];
    const others = [
      ...pods.map(([, { metadata }]) => metadata!.labels!),
      { 'app.kubernetes.io/name': 'strange' },
    ];
    const open = others.flatMap((from) =>
      ports
        .filter(({ containerPort: port }) => letsIn(base, worker, { from, port }))
        .map(({ name }) => `${from['app.kubernetes.io/name']} to ${name}`),
    );
    expect(open).toEqual(['tessera-worker to features']);
    const out = ports.filter(({ containerPort: port }) => letsOut(base, worker, { to: worker, port }));
    expect(out.map(({ name }) => name)).toEqual(['features']);
  });
});

describe('Secrets', () => {
  it('are in none of the files', () => {
    const secrets = manifestFiles()
      .flatMap(readManifests)
      .filter(({ kind }) => kind === 'Secret');
    expect(secrets).toEqual([]);
  });
});
