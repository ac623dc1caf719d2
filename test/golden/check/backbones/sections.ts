import type { Row } from '../compare.ts';
import { checkBackbone } from './check-backbone.ts';
import { checkHead } from './check-head.ts';
import { checkPillow } from './check-preprocessing.ts';
import type { BackboneGolden } from './manifest.ts';

/** What a folder of backbones compares: each section's title, and the work. */
export function backboneSections(golden: BackboneGolden): [string, () => Promise<Row[]>][] {
  const { cases, heads, preprocessing } = golden.manifest;
  return [
    ...cases.map((one): [string, () => Promise<Row[]>] => [
      `backbone: ${one.name}`,
      () => checkBackbone(golden, one),
    ]),
    ...heads.map((one): [string, () => Promise<Row[]>] => [
      `head: ${one.name}`,
      () => checkHead(golden, one),
    ]),
    ...preprocessing.map((one): [string, () => Promise<Row[]>] => [
      `preprocessing: ${one.image}`,
      () => checkPillow(golden, one),
    ]),
  ];
}
