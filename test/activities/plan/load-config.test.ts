import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClasses, loadConfig } from '../../../activities/plan/load-config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { TINY, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';

describe('a config is found', () => {
  test('by its path below configs/, or its name alone', async () => {
    const byName = await loadConfig(LINEAR);
    expect(byName.reproduces?.mIoU).toBe(47.2);
    expect(await loadConfig(`linear_probing/${LINEAR}`)).toEqual(byName);
  });

  test('as a file of its own, YAML or JSON', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'mine.yaml'), JSON.stringify(TINY));
    writeFileSync(join(folder, 'mine.json'), JSON.stringify(TINY));
    expect(await loadConfig(join(folder, 'mine.yaml'))).toEqual(tinyConfig());
    expect(await loadConfig(join(folder, 'mine.json'))).toEqual(tinyConfig());
  });
});

describe('a config is refused', () => {
  test('that does not exist: the nearest is named', async () => {
    await expect(loadConfig('tiyn')).rejects.toThrow(
      "config 'tiyn' does not exist in configs/; did you mean tiny?",
    );
    await expect(loadConfig(LINEAR.replace('504', '448'))).rejects.toThrow(`did you mean ${LINEAR}?`);
    await expect(loadConfig('datasets/ade20k')).rejects.toThrow('does not exist in configs/');
    await expect(loadConfig('/no/such.yaml')).rejects.toThrow('/no/such.yaml: no such file');
  });

  test('that is no YAML, or no config, naming the file', async () => {
    const file = join(temporaryFolder(), 'broken.yaml');
    writeFileSync(file, 'name: [unclosed');
    await expect(loadConfig(file)).rejects.toThrow(BadInput);
    await expect(loadConfig(file)).rejects.toThrow(`${file}: not valid YAML`);
    writeFileSync(file, 'name: only');
    await expect(loadConfig(file)).rejects.toThrow(`${file}: model: Invalid input`);
  });
});

test('classes that a config lists are taken as they are', async () => {
  const classes: { name: string; color: [number, number, number] }[] = [
    { name: 'road', color: [128, 64, 128] },
  ];
  expect((await loadClasses(classes)).classes).toEqual(classes);
});

test('classes of an unknown dataset are refused by the file that is missing', async () => {
  await expect(loadClasses('nowhere')).rejects.toThrow('configs/datasets/nowhere.yaml: no such file');
});
