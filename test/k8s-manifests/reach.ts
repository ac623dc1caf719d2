import type { V1LabelSelector, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node';

type Labels = Record<string, string>;

/** A NetworkPolicy's spec, as it is written. */
export interface Policy {
  podSelector?: V1LabelSelector;
  policyTypes?: string[];
  ingress?: { from?: V1NetworkPolicyPeer[]; ports?: V1NetworkPolicyPort[] }[];
  egress?: { to?: V1NetworkPolicyPeer[]; ports?: V1NetworkPolicyPort[] }[];
}

/**
 * Whether policies of a namespace let a pod of it open a port of another one: its own half of what both must allow.
 *
 * @see the API's reference of NetworkPolicy: a pod that none selects is free, else what any of them allows is allowed
 */
export function letsOut(
  policies: Policy[],
  pod: Labels,
  { to, port }: { to: Labels; port: number },
): boolean {
  const ours = policies.filter((policy) => concerns(policy, 'Egress', pod));
  const rules = ours.flatMap(({ egress }) => egress ?? []);
  return ours.length === 0 || rules.some((rule) => isPeer(rule.to, to) && isPort(rule.ports, port));
}

/** The other half: whether they let it in, wherever it comes from. */
export function letsIn(
  policies: Policy[],
  pod: Labels,
  { from, port }: { from: Labels; port: number },
): boolean {
  const ours = policies.filter((policy) => concerns(policy, 'Ingress', pod));
  const rules = ours.flatMap(({ ingress }) => ingress ?? []);
  return ours.length === 0 || rules.some((rule) => isPeer(rule.from, from) && isPort(rule.ports, port));
}

function concerns({ podSelector, policyTypes = [] }: Policy, type: string, pod: Labels): boolean {
  return policyTypes.includes(type) && isSelected(podSelector, pod);
}

/** Pods have no addresses here: what is allowed for addresses is not allowed for them. Nor are other namespaces ours. */
function isPeer(peers: V1NetworkPolicyPeer[] | undefined, pod: Labels): boolean {
  return (
    !peers ||
    peers.some(
      ({ podSelector, namespaceSelector }) =>
        podSelector && !namespaceSelector && isSelected(podSelector, pod),
    )
  );
}

function isPort(ports: V1NetworkPolicyPort[] | undefined, port: number): boolean {
  return !ports || ports.some((allowed) => allowed.port === port);
}

function isSelected({ matchLabels = {}, matchExpressions = [] }: V1LabelSelector = {}, pod: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => pod[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator !== 'In') throw new Error(`the operator ${operator} of a selector is not understood here`);
      return values.includes(pod[key] ?? '');
    })
  );
}
