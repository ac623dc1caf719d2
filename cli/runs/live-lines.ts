import type { LiveView } from '../terminal.ts';
import { type ProgressView, shareOf } from './progress-view.ts';
import { barText, rateTexts, trainingText } from './status-text.ts';
import { percentText, shortDuration } from './texts.ts';

const MAX_BAR = 30;
const MIN_BAR = 6;
/** Characters beside the bar; as long as they are fewer, its length stays. */
const USUAL_WORDS = 34;
/** Rows of a table that are shown at work. */
const MAX_ROWS = 4;

/** What is shown of a run beside its own answer. */
export interface Beside {
  slow: string[];
  waitsFor: string[];
  /** How far a table's running rows are, by their names. */
  rows: Map<string, ProgressView>;
}

export const NOTHING_BESIDE: Beside = { slow: [], waitsFor: [], rows: new Map() };

/** How a run is shown while it runs. */
export function liveView(view: ProgressView, beside: Beside = NOTHING_BESIDE): LiveView {
  const troubles = troubleTexts(view, beside);
  return {
    phase: view.phase,
    plain: [headParts(view), countParts(view), troubles].flat().join(' · '),
    lines: (columns) => [
      headLine(view, columns),
      ...(view.total > 0 ? [`  ${fitting(countParts(view), columns - 3)}`] : []),
      ...[...beside.rows].slice(0, MAX_ROWS).map(([name, row]) => `  ${name}: ${headParts(row).join(' · ')}`),
      ...troubles.map((text) => `  ${text}`),
    ],
  };
}

/** `evaluating ██████░░░░ 45 %  ETA 20 s  mIoU 35.12 over 45 %`: the bar takes what the words leave. */
function headLine(view: ProgressView, columns: number): string {
  const share = shareOf(view);
  if (share === null) return `▸ ${view.phase} …`;
  const [, , ...rest] = headParts(view);
  const words = rest.map((text) => `  ${text}`).join('');
  const size = columns - 1 - `▸ ${view.phase}  100 %`.length - 1 - Math.max(USUAL_WORDS, words.length);
  return `▸ ${view.phase} ${barText(share, Math.max(MIN_BAR, Math.min(MAX_BAR, size)))}${words}`;
}

/** What matters most, in this order: phase, share, ETA, mIoU. */
function headParts(view: ProgressView): string[] {
  const { phase, etaSeconds, mIoU, coverage, training, done, total } = view;
  const share = shareOf(view);
  const over = training
    ? training.evaluatedStep === null
      ? ''
      : ` at ${training.evaluatedStep}`
    : ` over ${Math.floor(100 * (coverage ?? 0))} %`;
  return [
    phase,
    ...(share === null ? [] : [`${Math.floor(100 * share)} %`]),
    ...(etaSeconds === null || done >= total ? [] : [`ETA ${shortDuration(etaSeconds)}`]),
    ...(mIoU === null ? [] : [`mIoU ${percentText(mIoU)}${over}`]),
  ];
}

/** The rest, what matters most first: a narrow terminal loses the end. */
function countParts(view: ProgressView): string[] {
  const { done, total, unit, shards, training, workers } = view;
  const running = workers.filter(({ state }) => state === 'running').length;
  const best = training?.best;
  const isBestNews = best && best.step !== training?.evaluatedStep;
  return [
    ...(total > 0 ? [`${done}/${total} ${unit}`] : []),
    ...(workers.length > 0 ? [`${running} ${running === 1 ? 'worker' : 'workers'}`] : []),
    ...rateTexts(view),
    ...(training?.loss == null ? [] : [trainingText(training)]),
    ...(shards ? [`${shards.done}/${shards.total} shards`] : []),
    ...(isBestNews ? [`best mIoU ${percentText(best.mIoU)} at ${best.step}`] : []),
  ];
}

function troubleTexts({ failures }: ProgressView, { slow, waitsFor }: Beside): string[] {
  const last = failures.at(-1);
  return [
    ...waitsFor.slice(0, 2).map((text) => `waiting for: ${text}`),
    ...slow.slice(0, 2).map((text) => `slow worker ${text}`),
    ...(last
      ? [`mended ${failures.length}, the last: ${last.class}: ${last.message.split('\n', 1)[0]}`]
      : []),
  ];
}

function fitting(parts: string[], width: number): string {
  for (let count = parts.length; count > 1; count--) {
    const text = parts.slice(0, count).join(' · ');
    if (text.length <= width) return text;
  }
  return parts[0] ?? '';
}
