import type { Results } from '../../../core/config/results.ts';
import type { Share } from '../../../core/metric/metrics.ts';

/** Between groups of digits, and between a number and its unit: narrow, and never broken. */
const THIN = '\u202f';

/** 12345678 → `12 345 678`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en').replaceAll(',', THIN);
}

/** 0.42631 → `42.63`: percent without its sign, `nan` where the share isn't defined. */
export function percent(share: Share, decimals = 2): string {
  return share === null ? 'nan' : (100 * share).toFixed(decimals);
}

/** 4.2 → `4.2 s`, 754 → `12 min 34 s`, 7500 → `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 99.95) return `${seconds.toFixed(1)}${THIN}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${THIN}min ${whole % 60}${THIN}s`;
  const minutes = Math.round(whole / 60);
  return `${count(Math.floor(minutes / 60))}${THIN}h ${minutes % 60}${THIN}min`;
}

/** 12884901888 → `12.9 GB`, in powers of 1000. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${(size / 1000 ** power).toFixed(power === 0 ? 0 : 1)}${THIN}${units[power]}`;
}

/** `2026-03-01T12:34:56.789Z` → `2026-03-01 12:34 UTC`. */
export function moment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

export function rgb([red, green, blue]: readonly [number, number, number]): string {
  return `rgb(${red},${green},${blue})`;
}

/** `team=x, n=1`; null if a run has none. */
export function labelsText({ labels = {} }: Pick<Results['run'], 'labels'>): string | null {
  const words = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return words.length > 0 ? words.join(', ') : null;
}

/** 0.346 → `+0.35`: a difference in points, with a sign always. */
export function signedPoints(difference: number): string {
  return `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(2)}`;
}
