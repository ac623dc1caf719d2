import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { V1Container, V1ObjectMeta, V1PodTemplateSpec } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';

export const MANIFESTS = new URL('../../k8s/', import.meta.url).pathname;

/** An object as it is written in a file, before kustomize. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: V1ObjectMeta;
  [field: string]: unknown;
}

/** Files below k8s/, as paths from there. */
export function manifestFiles(extension = '.yaml'): string[] {
  return readdirSync(MANIFESTS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .sort();
}

/** All objects of a file. @throws what is wrong with its YAML */
export function readManifests(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(path.join(MANIFESTS, file), 'utf8')).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS();
  });
}

/** Objects of one kind in all files, kustomizations' patches aside. */
export function manifestsOf(kind: string): Manifest[] {
  return manifestFiles()
    .flatMap(readManifests)
    .filter((manifest) => manifest.kind === kind && !isPatch(manifest));
}

/** A merge patch in a file of its own names an object, and says little of it. */
function isPatch({ kind, template }: Manifest): boolean {
  return kind === 'PodTemplate' && !(template as V1PodTemplateSpec | undefined)?.spec?.containers;
}

/** The pod templates of all that runs pods, by the object's name. */
export function podTemplates(): Map<string, V1PodTemplateSpec> {
  const inSpec = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'].flatMap(manifestsOf);
  const templates = inSpec.map(
    ({ metadata, spec }) => [metadata.name!, (spec as { template: V1PodTemplateSpec }).template] as const,
  );
  const bare = manifestsOf('PodTemplate').map(
    ({ metadata, template }) => [metadata.name!, template as V1PodTemplateSpec] as const,
  );
  return new Map([...templates, ...bare]);
}

export function containersOf({ spec }: V1PodTemplateSpec): V1Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}
