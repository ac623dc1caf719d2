import type { Results } from '../../../core/config/results.ts';
import type { Share } from '../../../core/metric/metrics.ts';
import { moment } from './format.ts';

type Row = [name: string, ...numbers: string[]];

/** A small table: names on the left, numbers on the right. */
interface TextTable {
  head: Row;
  rows: Row[];
  caption: string;
}

/** A run's metrics as a table of one row, for an issue or a paper. */
export function summaryTable(results: Results): TextTable {
  const { run, partial } = results;
  const metrics = partial?.metrics ?? results.metrics;
  const names = (['mIoU', 'mAcc', 'aAcc', 'mDice', 'mFscore'] as const).filter(
    (name) => metrics[name] !== undefined,
  );
  const original = partial ? undefined : run.config.reproduces?.mIoU;
  return {
    head: ['Config', ...names, ...(original === undefined ? [] : ['original mIoU'])],
    rows: [
      [
        run.config.name,
        ...names.map((name) => plain(metrics[name] ?? null)),
        ...(original === undefined ? [] : [String(original)]),
      ],
    ],
    caption: captionOf(results),
  };
}

/** IoU and Acc of every class. */
export function classesTable(results: Results): TextTable {
  return {
    head: ['Class', 'IoU', 'Acc'],
    rows: results.perClass.map(({ name, IoU, Acc }) => [name.trim(), plain(IoU), plain(Acc)]),
    caption: captionOf(results),
  };
}

export function markdown({ head, rows, caption }: TextTable): string {
  const line = (cells: string[]) => `| ${cells.map(markdownText).join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [markdownText(caption), '', line(head), `| ${rule.join(' | ')} |`, ...rows.map(line), ''].join('\n');
}

/** For the package booktabs. */
export function latex({ head, rows, caption }: TextTable): string {
  const line = (cells: string[]) => `  ${cells.map(latexText).join(' & ')} \\\\`;
  return [
    `% ${caption.replaceAll('\n', ' ')}`,
    `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`,
    '  \\toprule',
    line(head),
    '  \\midrule',
    ...rows.map(line),
    '  \\bottomrule',
    '\\end{tabular}',
    '',
  ].join('\n');
}

function captionOf({ run, inputs, partial }: Results): string {
  const { name, split, images } = inputs.dataset;
  const part = partial ? `only ${partial.images} of ${partial.ofImages} images` : `${images} images`;
  return `${name} ${split}, ${part}, percent; Tessera ${run.codeVersion}, ${moment(run.finishedAt)}, run ${run.workflowId}`;
}

function plain(share: Share): string {
  return share === null ? 'nan' : (100 * share).toFixed(2);
}

/** A name stays one cell, and is no mark-up. */
function markdownText(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').replace(/[\\`*_[\]<>|~]/g, '\\$&');
}

const LATEX: Record<string, string> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
};

function latexText(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').replace(/[\\~^<>|&%$#_{}]/g, (mark) => LATEX[mark] ?? `\\${mark}`);
}
