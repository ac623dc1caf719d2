import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { MANIFESTS, manifestFiles, readManifests } from './manifests.ts';

interface Kustomization {
  kind: string;
  namespace?: string;
  resources?: string[];
  components?: string[];
  patches?: { path?: string; patch?: string; target?: { kind: string; name: string } }[];
}

const FILE = 'kustomization.yaml';
const kustomizations = manifestFiles().filter((file) => path.basename(file) === FILE);

function read(file: string): Kustomization {
  return readManifests(file)[0] as unknown as Kustomization;
}

/** Files and folders that a kustomization names, as paths from k8s/. */
function named(file: string): string[] {
  const { resources = [], components = [], patches = [] } = read(file);
  const patchFiles = patches.flatMap(({ path }) => path ?? []);
  return [...resources, ...components, ...patchFiles].map((name) => path.join(path.dirname(file), name));
}

describe('kustomizations', () => {
  it.each(kustomizations)('%s names files that are there', (file) => {
    const missing = named(file).filter((name) => !existsSync(path.join(MANIFESTS, name)));
    expect(missing).toEqual([]);
  });

  it('name every manifest, but for examples', () => {
    const all = new Set(kustomizations.flatMap(named));
    const loose = manifestFiles().filter(
      (file) => !all.has(file) && path.basename(file) !== FILE && !file.endsWith('.example.yaml'),
    );
    expect(loose).toEqual(['gitops/argocd-application.yaml', 'gitops/flux.yaml']);
  });

  it.each(kustomizations)('%s patches by YAML, and objects that the base or its component has', (file) => {
    const folders = ['base', path.dirname(file)];
    const known = manifestFiles()
      .filter((other) => folders.includes(path.dirname(other)) && path.basename(other) !== FILE)
      .flatMap(readManifests)
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    for (const { patch, path: patchFile, target } of read(file).patches ?? []) {
      const body = patch ? parse(patch) : readManifests(path.join(path.dirname(file), patchFile!))[0];
      const patched = target ?? { kind: body.kind, name: body.metadata.name };
      expect(known).toContain(`${patched.kind}/${patched.name}`);
    }
  });

  it('can be combined: each choice is a component, and each overlay adds to the base', () => {
    for (const file of kustomizations) {
      const { kind, namespace, resources } = read(file);
      const isComponent = file.startsWith('components/');
      expect(kind, file).toBe(isComponent ? 'Component' : 'Kustomization');
      if (isComponent) continue;
      expect(namespace, file).toBe('tessera');
      if (file.startsWith('overlays/')) expect(resources, file).toEqual(['../../base']);
    }
  });
});

describe('components', () => {
  it('put their objects into the namespace by themselves: an overlay of an overlay may not say it again', () => {
    const files = manifestFiles().filter(
      (file) =>
        file.startsWith('components/') && path.basename(file) !== FILE && !file.endsWith('.example.yaml'),
    );
    // Cluster-wide ones have none, and merge patches (of the PodTemplate) find theirs.
    const without = files
      .flatMap(readManifests)
      .filter(({ metadata }) => metadata.namespace !== 'tessera')
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(without.sort()).toEqual(['PersistentVolume tessera-node-cache', 'PodTemplate tessera-worker']);
  });
});

describe('examples of other controllers’ objects', () => {
  it.each([
    ['gitops/argocd-application.yaml', ['argoproj.io/v1alpha1 Application']],
    [
      'gitops/flux.yaml',
      ['source.toolkit.fluxcd.io/v1 GitRepository', 'kustomize.toolkit.fluxcd.io/v1 Kustomization'],
    ],
    [
      'components/kueue/queues.example.yaml',
      ['ResourceFlavor', 'ClusterQueue', 'LocalQueue'].map((kind) => `kueue.x-k8s.io/v1beta2 ${kind}`),
    ],
    ['components/service-monitor/pod-monitor.yaml', ['monitoring.coreos.com/v1 PodMonitor']],
  ])('%s', (file, kinds) => {
    expect(readManifests(file).map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual(kinds);
  });

  it('Kueue’s queue covers all that a worker asks for, and is the one that its label names', () => {
    const [template] = readManifests('base/pod-template.yaml') as never as [PodTemplateLike];
    const [flavor, cluster, local] = readManifests('components/kueue/queues.example.yaml') as never as [
      { metadata: { name: string } },
      { metadata: { name: string }; spec: { resourceGroups: ResourceGroup[] } },
      { metadata: { name: string; namespace: string }; spec: { clusterQueue: string } },
    ];
    const [group] = cluster.spec.resourceGroups;
    const asked = Object.keys(template.template.spec.containers[0]!.resources.requests);
    expect(group!.coveredResources).toEqual(expect.arrayContaining([...asked, 'nvidia.com/gpu']));
    const [quota] = group!.flavors;
    expect(quota!.name).toBe(flavor.metadata.name);
    expect(quota!.resources.map(({ name }) => name)).toEqual(group!.coveredResources);
    expect(local.spec.clusterQueue).toBe(cluster.metadata.name);
    const patch = parse(read('components/kueue/kustomization.yaml').patches![0]!.patch!);
    expect(patch.metadata.labels['kueue.x-k8s.io/queue-name']).toBe(local.metadata.name);
  });
});

interface PodTemplateLike {
  template: { spec: { containers: { resources: { requests: Record<string, string> } }[] } };
}

interface ResourceGroup {
  coveredResources: string[];
  flavors: { name: string; resources: { name: string }[] }[];
}
