import { cut } from './columns.ts';
import type { ProgressView } from './progress-view.ts';
import { shareOf } from './progress-view.ts';
import type { RunPicture } from './run-picture.ts';
import { costText, durationText, percentText } from './texts.ts';
import { shortName } from './worker-name.ts';

/** Workers that get a line each; of more, only those that don't simply run. */
const MAX_WORKERS = 16;
const MAX_FAILURES = 5;
const BAR = 20;

/** One picture of a run, for people. @param width of the terminal; addresses are never cut */
export function statusText(run: RunPicture, width = Number.POSITIVE_INFINITY): string {
  const { progress } = run;
  const config = run.config ? ` · ${run.config}${run.dataset ? ` on ${run.dataset}` : ''}` : '';
  const row = (name: string, text: string) => cut(`  ${name.padEnd(9)} ${text}`, width);
  const rows = (name: string, texts: string[]) => texts.map((text, i) => row(i === 0 ? name : '', text));
  const lines = [
    cut(run.id, width),
    cut(`${run.kind}${config}`, width),
    cut(stateText(run), width),
    '',
    ...(progress && progress.total > 0
      ? [
          cut(
            `  ${barText(shareOf(progress), Math.min(BAR, width / 3))} ${countText(progress, run.state === 'running')}`,
            width,
          ),
        ]
      : []),
    ...(run.mIoU === null ? [] : [row('mIoU', mIoUText(run))]),
    ...(progress?.training?.loss ? [row('training', trainingText(progress.training))] : []),
    ...rows('workers', progress ? workerTexts(progress, run.state === 'running') : []),
    ...rows(
      'rows',
      progress?.rows.map(
        ({ name, state, mIoU, message }) =>
          `${name}: ${message ?? state}${mIoU === null ? '' : `, mIoU ${percentText(mIoU)}`}`,
      ) ?? [],
    ),
    ...rows('slow', run.slow),
    ...rows('waits for', run.waitsFor),
    ...rows('mended', failureTexts(progress)),
    ...(run.failure
      ? [`  ${'failure'.padEnd(9)} ${failureLine(run)}`, row('', `tessera why ${run.id}`)]
      : []),
    ...(run.cost?.total == null
      ? []
      : [row('cost', `${costText(run.cost)} for ${durationText(run.cost.workerSeconds)} of workers`)]),
    ...Object.entries(run.labels).map(([name, value]) => row('label', `${name}=${value}`)),
    ...address('results', run.resultsUri),
    ...address('report', run.reportUri),
    ...address('Temporal', run.page),
  ];
  if (run.state === 'running' && !progress) lines.push('', '  No control worker has answered how far it is.');
  return lines.join('\n');
}

function address(name: string, uri: string | null): string[] {
  return uri ? [`  ${name.padEnd(9)} ${uri}`] : [];
}

function stateText({ state, phase, seconds, startedAt }: RunPicture): string {
  const since = new Date(startedAt).toISOString().replace('T', ' ').slice(0, 16);
  return state === 'running'
    ? `running${phase ? `: ${phase}` : ''}, for ${durationText(seconds)}`
    : `${state} after ${durationText(seconds)} (started ${since} UTC)`;
}

/** `█████░░░░░  45 %` */
export function barText(share: number | null, size: number): string {
  const cells = Math.max(4, Math.floor(size));
  const full = Math.round((share ?? 0) * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${`${Math.floor(100 * (share ?? 0))} %`.padStart(5)}`;
}

/** `45/100 images · 3.2 images/s · ETA 20 s` */
function countText(progress: ProgressView, isRunning: boolean): string {
  const { done, total, unit, etaSeconds } = progress;
  const isOver = !isRunning || done >= total;
  return [
    `${done}/${total} ${unit}`,
    ...(isOver || etaSeconds === null ? [] : [`ETA ${durationText(etaSeconds)}`]),
    ...(isOver ? [] : rateTexts(progress)),
  ].join(' · ');
}

export function rateTexts({ rate, unit }: Pick<ProgressView, 'rate' | 'unit'>): string[] {
  return rate === null ? [] : [`${rate.toFixed(1)} ${unit === 'steps' ? 'crops' : unit}/s`];
}

function mIoUText({ mIoU, state, progress }: RunPicture): string {
  const value = percentText(mIoU);
  if (progress?.training) {
    const { evaluatedStep, best } = progress.training;
    return `${value}${evaluatedStep === null ? '' : ` at step ${evaluatedStep}`}${best ? `, best ${percentText(best.mIoU)} at step ${best.step}` : ''}`;
  }
  if (state === 'completed' || !progress) return value;
  return `${value} over ${Math.floor(100 * (progress.coverage ?? 0))} % of the images`;
}

export function trainingText({ loss, accuracy, lr }: NonNullable<ProgressView['training']>): string {
  return [
    ...(loss === null ? [] : [`loss ${loss.toFixed(4)}`]),
    ...(accuracy === null ? [] : [`acc ${accuracy.toFixed(1)} %`]),
    ...(lr === null ? [] : [`lr ${lr.toExponential(2)}`]),
  ].join(', ');
}

function workerTexts({ workers }: ProgressView, isRunning: boolean): string[] {
  if (workers.length === 0) return [];
  const counts = new Map<string, number>();
  for (const { state } of workers) {
    const [kind = state] = state.split(':');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sum = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  const shown = workers.length > MAX_WORKERS ? workers.filter(({ state }) => state !== 'running') : workers;
  const lines = shown
    .slice(0, MAX_WORKERS)
    .map(({ name, state, node, role, images, shards }) =>
      [
        shortName(name),
        ...(isRunning || state !== 'running' ? [state] : []),
        ...(role ? [role] : []),
        ...(node ? [`on ${node}`] : []),
        ...(shards ? [`${images} images in ${shards} shards`] : []),
      ].join(' · '),
    );
  return [isRunning ? sum : `${workers.length}`, ...lines.map((line) => `  ${line}`)];
}

/** Mended failures, by class and sentence. */
function failureTexts(progress: ProgressView | null): string[] {
  const counts = new Map<string, number>();
  for (const { class: failureClass, message } of progress?.failures ?? []) {
    const text = `${failureClass}: ${message.split('\n', 1)[0]}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const texts = [...counts].map(([text, count]) => (count > 1 ? `${count} × ${text}` : text));
  return texts.length > MAX_FAILURES
    ? [`${texts.length - MAX_FAILURES} earlier ones`, ...texts.slice(-MAX_FAILURES)]
    : texts;
}

function failureLine({ failure }: RunPicture): string {
  return failure!.class ? `${failure!.class}: ${failure!.message}` : failure!.message;
}
