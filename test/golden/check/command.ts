import path from 'node:path';
import type { Command } from 'commander';
import { PACKAGE } from '../../../workers/environment.ts';
import type { Row } from './compare.ts';
import { compareGolden, sectionText } from './golden.ts';

export function goldenCommand(program: Command): void {
  program
    .command('golden')
    .description(
      "compare with what the original PyTorch code computes: each array's largest error and a verdict",
    )
    .argument('[folder]', 'golden data with a manifest.json (default: the part in test/golden)')
    .option('--all', 'what is not implemented counts as failed')
    .action(async (folder: string | undefined, options: { all?: true }) => {
      const here = path.join(PACKAGE, 'test/golden');
      const rows: Row[] = [];
      for (const one of folder ? [folder] : [here, path.join(here, 'backbones')])
        rows.push(
          ...(await compareGolden(one, {
            print: (title, section) => console.log(`${sectionText(title, section)}\n`),
          })),
        );
      const count = (verdict: string) => rows.filter((row) => row.verdict === verdict).length;
      const failed = count('FAILED');
      const missing = count('not implemented');
      console.log(`${count('ok')} ok, ${failed} failed, ${missing} not implemented`);
      if (failed > 0 || (options.all && missing > 0)) process.exitCode = 1;
    });
}
