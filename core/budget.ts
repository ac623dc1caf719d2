import type { Config } from './config/config.ts';

type Run = Pick<Config['run'], 'budget' | 'pricePerWorkerHour' | 'currency'>;

/** What a run may spend, in seconds of workers; null if nothing limits it. */
export function budgetSeconds({ budget, pricePerWorkerHour }: Run): number | null {
  const { workerHours, money } = budget ?? {};
  const hours = [workerHours, money === undefined ? undefined : money / pricePerWorkerHour];
  const limits = hours.filter((limit) => limit !== undefined);
  return limits.length === 0 ? null : 3600 * Math.min(...limits);
}

/** `the budget of 2 worker-hours (run.budget)` */
export function budgetText({ budget, currency }: Run): string {
  const { workerHours, money } = budget ?? {};
  const parts = [
    workerHours !== undefined && `${workerHours} worker-hours`,
    money !== undefined && `${money} ${currency}`,
  ].filter((part) => part !== false);
  return `the budget of ${parts.join(' or ')} (run.budget)`;
}
