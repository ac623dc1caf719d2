import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { KubernetesObject, V1PersistentVolumeClaim, V1PodTemplateSpec } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { letsIn, letsOut, type Policy } from '../k8s-manifests/reach.ts';
import { eventually, kubectl, kubectlWith } from './kubectl.ts';

/*
 * What the API server itself says of all that k8s/ can be put together to: every object, and every pod that would be
 * made of one, in a namespace with the shipped Pod Security, quota and limits. Nothing is created but that namespace.
 */
const NAMESPACE = 'tessera-manifests';
const K8S = new URL('../../k8s/', import.meta.url).pathname;
/** Of controllers that a cluster may lack. */
const FOREIGN = ['monitoring.coreos.com/'];
/** What a pod's admission looks at. */
const GROUND = ['Namespace', 'ServiceAccount', 'ResourceQuota', 'LimitRange'];

interface Manifest extends KubernetesObject {
  spec?: { template?: V1PodTemplateSpec; volumeClaimTemplates?: V1PersistentVolumeClaim[] };
  template?: V1PodTemplateSpec;
}

function foldersIn(folder: string): string[] {
  return readdirSync(path.join(K8S, folder)).map((name) => `${folder}/${name}`);
}

/** What kustomize makes of an overlay, or of the base with components, for our namespace. */
async function render(overlay: string, components: string[] = []): Promise<Manifest[]> {
  // Kustomize wants folders as paths from its file.
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'tessera-kustomize-')));
  const from = (name: string) => path.relative(folder, path.join(K8S, name));
  const kustomization = {
    namespace: NAMESPACE,
    resources: [from(overlay)],
    components: components.map(from),
  };
  try {
    writeFileSync(path.join(folder, 'kustomization.yaml'), stringify(kustomization));
    const documents = parseAllDocuments(await kubectl('kustomize', folder));
    const objects = documents.map((document) => document.toJS() as Manifest);
    return objects.filter(({ apiVersion }) => !FOREIGN.some((group) => apiVersion!.startsWith(group)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A pod as each workload's controller, or our launcher, would ask for it. */
function podsOf(objects: Manifest[]): object[] {
  return objects.flatMap((object) => {
    const template = object.spec?.template ?? object.template;
    if (!template) return [];
    const name = object.metadata!.name!;
    const claims = (object.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => ({
      name: metadata!.name!,
      persistentVolumeClaim: { claimName: `${metadata!.name}-${name}-0` },
    }));
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `of-${name}`, namespace: NAMESPACE, labels: template.metadata!.labels },
      spec: { ...template.spec, volumes: [...(template.spec!.volumes ?? []), ...claims] },
    };
  });
}

function dryRun(objects: object[]): string {
  return apply(objects, '--server-side', '--force-conflicts', '--dry-run=server');
}

function apply(objects: object[], ...options: string[]): string {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  return kubectlWith(list, 'apply', ...options, '-f', '-');
}

beforeAll(async () => {
  const ground = (await render('base')).filter(({ kind }) => GROUND.includes(kind!));
  apply(ground.filter(({ kind }) => kind === 'Namespace'));
  apply(ground);
  const account = () => kubectl('get', 'serviceaccount', 'default', '-n', NAMESPACE);
  await eventually('the namespace is set up', account);
});
afterAll(() => kubectl('delete', 'namespace', NAMESPACE, '--wait=false'));

describe('the API server takes', () => {
  it.each(['base', ...foldersIn('overlays')])('%s, and its pods', async (overlay) => {
    const objects = await render(overlay);
    expect(objects.length).toBeGreaterThan(10);
    const said = dryRun(objects).trim().split('\n');
    expect(said).toHaveLength(objects.length);
    expect(podsOf(objects).length).toBeGreaterThanOrEqual(2);
    dryRun(podsOf(objects));
    // As people do it by hand.
    expect(apply(objects, '--dry-run=server').trim().split('\n')).toHaveLength(objects.length);
  });

  it.each(foldersIn('components'))('the base with %s, and its pods', async (component) => {
    const objects = await render('base', [component]);
    dryRun(objects);
    dryRun(podsOf(objects));
  });

  it('all that go together at once', async () => {
    const alternatives = ['components/web-identity', 'components/workload-identity'];
    for (const left of alternatives) {
      const objects = await render(
        'base',
        foldersIn('components').filter((name) => name !== left),
      );
      dryRun(objects);
      dryRun(podsOf(objects));
    }
  });
});

describe('a training’s workers', () => {
  const choices = foldersIn('components').map((name) => ({ overlay: 'base', components: [name] }));
  const overlays = ['base', ...foldersIn('overlays')].map((overlay) => ({ overlay, components: [] }));

  it.each([...overlays, ...choices])(
    'reach each other where they take features, by $overlay with $components',
    async ({ overlay, components }) => {
      const objects = await render(overlay, components);
      // As the API server keeps them.
      const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
      const kept = JSON.parse(apply(policies, '--server-side', '--dry-run=server', '-o', 'json'));
      const specs = kept.items.map(({ spec }: { spec: Policy }) => spec);
      const { template } = objects.find(({ kind }) => kind === 'PodTemplate')!;
      const { env, ports } = template!.spec!.containers.find(({ name }) => name === 'worker')!;
      const port = ports!.find(({ name }) => name === 'features')!.containerPort;
      expect(env!.find(({ name }) => name === 'TESSERA_FEATURE_PORT')?.value).toBe(String(port));
      const worker = template!.metadata!.labels!;
      expect(letsOut(specs, worker, { to: worker, port })).toBe(true);
      expect(letsIn(specs, worker, { from: worker, port })).toBe(true);
      expect(letsIn(specs, worker, { from: { 'app.kubernetes.io/name': 'strange' }, port })).toBe(false);
    },
  );
});

describe('the API server refuses', () => {
  it('a worker with more privilege than the namespace allows', async () => {
    const [pod] = podsOf((await render('base')).filter(({ kind }) => kind === 'PodTemplate')) as [Manifest];
    const spec = { ...pod.spec, hostNetwork: true };
    expect(() => dryRun([{ ...pod, spec }])).toThrow(
      /violates PodSecurity "restricted:v1\.\d+".*hostNetwork/,
    );
  });
});
