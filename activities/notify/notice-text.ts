import type { Notice } from '../../core/config/notify.ts';

/** A run's end in a line, as chat programs show it: their marks are escaped as Slack asks for it. */
export function noticeText({
  name,
  workflowId,
  state,
  result,
  failure,
  seconds,
}: Omit<Notice, 'text'>): string {
  const run = `${name} (${workflowId})`;
  const after = `after ${durationText(seconds)}`;
  const text = {
    done: `✓ ${run}: ${result ? resultText(result) : 'done'} ${after}`,
    failed: `✗ ${run} failed ${after}: ${failure ? `${failure.class}: ${failure.message}` : 'unknown'}`,
    cancelled: `■ ${run} was cancelled ${after}`,
  }[state];
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function resultText(result: NonNullable<Notice['result']>): string {
  const { mIoU, images, ofImages, steps, rows, failedRows, resultsUri, reportUri } = result;
  const parts = [
    mIoU !== undefined && (mIoU === null ? 'no mIoU' : `mIoU ${(100 * mIoU).toFixed(2)} %`),
    images !== undefined &&
      (ofImages === undefined ? `${images} images` : `partial: ${images} of ${ofImages} images`),
    steps !== undefined && `${steps} steps`,
    rows !== undefined && `${rows} rows${failedRows ? `, ${failedRows} failed` : ''}`,
    reportUri ?? resultsUri,
  ];
  return parts.filter((part) => part !== false).join(', ');
}

function durationText(seconds: number): string {
  return seconds < 100
    ? `${seconds.toFixed(0)} s`
    : seconds < 6_000
      ? `${(seconds / 60).toFixed(0)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
}
