import { BadInput } from '../../core/config/failures.ts';
import type { ListedCost } from '../../core/config/listing.ts';

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** `45s`, `12m`, `3h`, `5d`: as kubectl prints ages. */
export function ageText(seconds: number): string {
  if (seconds < 120) return `${Math.round(Math.max(0, seconds))}s`;
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** How long something takes, to two units: `4 s`, `12 min 30 s`, `3 h 5 min`, `2 d 4 h`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return two(whole, 60, 'min', 1, 's');
  if (whole < 86_400) return two(whole, 3_600, 'h', 60, 'min');
  return two(whole, 86_400, 'd', 3_600, 'h');
}

function two(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeUnit}${rest > 0 ? ` ${rest} ${smallUnit}` : ''}`;
}

/** The same where room is short: `4s`, `12m30s`, `3h5m`, `2d4h`. */
export function shortDuration(seconds: number): string {
  return durationText(seconds).replaceAll('min', 'm').replaceAll(' ', '');
}

/** A share in 0…1 as per cent with two digits, as mmseg prints them. */
export function percentText(share: number | null): string {
  return share === null ? '–' : (100 * share).toFixed(2);
}

export function costText(cost: ListedCost | null): string {
  return cost?.total == null ? '–' : `${cost.total.toFixed(2)} ${cost.currency}`;
}

/**
 * The moment that `--since` means: `2d`, `90m`, or a date.
 *
 * @throws BadInput for anything else
 */
export function sinceDate(text: string, nowMs: number): Date {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
  if (count && unit) return new Date(nowMs - Number(count) * UNITS[unit]! * 1_000);
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : null;
  if (date && !Number.isNaN(date.getTime())) return date;
  throw new BadInput(
    `--since ${text}: expected a time such as 90m, 12h, 2d or 1w, or a date such as 2026-11-28`,
  );
}
