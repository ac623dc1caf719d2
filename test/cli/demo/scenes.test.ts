import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { LABEL } from '../../../cli/demo/scene-classes.ts';
import { makeScene, type Scene } from '../../../cli/demo/scenes.ts';

const names: string[] = parse(readFileSync('configs/datasets/ade20k.yaml', 'utf8')).classes.map(
  ({ name }: { name: string }) => name,
);

function shareUnlabelled({ labels }: Scene): number {
  return labels.filter((label) => label === 0).length / labels.length;
}

/** Part of the area that shows different classes in two scenes. */
function apart(a: Scene, b: Scene): number {
  const share = ({ labels }: Scene, label: number) =>
    labels.filter((one) => one === label).length / labels.length;
  const classes = Object.values(LABEL).filter((label) => label !== LABEL.other);
  return classes.reduce((sum, label) => sum + Math.abs(share(a, label) - share(b, label)) / 2, 0);
}

describe('scenes', () => {
  const scenes = Array.from({ length: 42 }, (_, seed) => makeScene(seed, 200, 150));

  test('labels are coded as ADE20K codes its classes', () => {
    const { other, ...classes } = LABEL;
    expect(other).toBe(0);
    for (const [name, label] of Object.entries(classes)) expect(names[label - 1]).toBe(name);
  });

  test('all the classes are shown, and many in each scene', () => {
    const shown = new Set(scenes.flatMap(({ labels }) => [...new Set(labels)]));
    expect([...shown].sort((a, b) => a - b)).toEqual(Object.values(LABEL).sort((a, b) => a - b));
    for (const { labels } of scenes) expect(new Set(labels).size).toBeGreaterThan(5);
  });

  test('a few per cent of the pixels have no label', () => {
    const mean = scenes.reduce((sum, scene) => sum + shareUnlabelled(scene), 0) / scenes.length;
    expect(mean).toBeGreaterThan(0.03);
    expect(mean).toBeLessThan(0.08);
  });

  test('the same seed gives the same scene, another seed another', () => {
    const [a, b, c] = [makeScene(3, 90, 60), makeScene(3, 90, 60), makeScene(10, 90, 60)];
    expect(a).toEqual(b);
    expect(Buffer.from(a.rgb).equals(c.rgb)).toBe(false);
  });

  test.each([
    [390, 130, 0.04],
    [120, 160, 0.04],
    [40, 40, 0.1],
  ])('a scene of %i × %i pixels shows what it shows in twice the size', (width, height, atMost) => {
    for (let seed = 0; seed < 7; seed++) {
      const [small, large] = [makeScene(seed, width, height), makeScene(seed, 2 * width, 2 * height)];
      expect([small.rgb.length, small.labels.length]).toEqual([width * height * 3, width * height]);
      expect(apart(small, large)).toBeLessThan(atMost);
    }
  });

  test('a scene of one pixel shows one class', () => {
    for (let seed = 0; seed < 7; seed++) expect(makeScene(seed, 1, 1).labels[0]).toBeGreaterThan(0);
  });
});
