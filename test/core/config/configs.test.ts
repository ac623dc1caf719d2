import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CONFIGS, listConfigs, loadClasses, loadConfig } from '../../../activities/plan/load-config.ts';

const names = await listConfigs();
const datasets = await readdir(join(CONFIGS, 'datasets'));

test('there are configs, the demo among them', () => {
  expect(names).toContain('tiny');
  expect(names.some((name) => name.startsWith('datasets'))).toBe(false);
});

describe.each(names)('configs/%s.yaml', (name) => {
  test('is a valid config, named as its file, and its dataset has as many classes as its head', async () => {
    const config = await loadConfig(name);
    expect(config.name).toBe(basename(name));
    const { classes } = await loadClasses(config.dataset.classes);
    expect(classes).toHaveLength(config.model.head.classes);
  });

  test('says in its header what it reproduces', async () => {
    const { reproduces } = await loadConfig(name);
    const header = headerOf(`${name}.yaml`);
    expect(header.length).toBeGreaterThan(20);
    if (!reproduces) return;
    expect(header.toLowerCase()).toContain(reproduces.row.toLowerCase());
    expect(header).toContain(`${reproduces.mIoU}`);
  });
});

describe.each(datasets)('configs/datasets/%s', (file) => {
  test('has classes of different names, and colours of bytes', async () => {
    const { classes } = await loadClasses(basename(file, '.yaml'));
    expect(new Set(classes.map(({ name }) => name)).size).toBe(classes.length);
    expect(classes.flatMap(({ color }) => color).every((value) => value >= 0 && value <= 255)).toBe(true);
  });
});

test("ADE20K's class names keep their odd spaces", async () => {
  const { classes } = await loadClasses('ade20k');
  expect(classes).toHaveLength(150);
  expect(classes.map(({ name }) => name)).toContain('bed ');
});

/** The comment before the first key. */
function headerOf(file: string): string {
  const lines = readFileSync(join(CONFIGS, file), 'utf8').split('\n');
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('#')),
    )
    .join('\n');
}
