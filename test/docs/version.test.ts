import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE } from '../../workers/environment.ts';

const read = (file: string) => readFileSync(join(PACKAGE, file), 'utf8');
const { version } = JSON.parse(read('package.json'));

it('the changelog, manifests and docs name the version of package.json', () => {
  const lock = JSON.parse(read('package-lock.json'));
  const named = (file: string, pattern: RegExp) => [...read(file).matchAll(pattern)].map(([, name]) => name);
  expect({
    lock: [lock.version, lock.packages[''].version],
    changelog: named('CHANGELOG.md', /^## (\d\S*)/gm)[0],
    overlay: named('k8s/overlays/example/kustomization.yaml', /ref=v(\S+)/g),
    manifests: named('k8s/README.md', /ref=v([\d.]+\d)/g),
    operations: named('docs/operations.md', /TAG=(\S+)/g),
  }).toEqual({
    lock: [version, version],
    changelog: version,
    overlay: [version],
    manifests: [version],
    operations: [version],
  });
});
