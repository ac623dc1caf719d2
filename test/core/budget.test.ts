import { expect, test } from 'vitest';
import { budgetSeconds, budgetText } from '../../core/budget.ts';
import { tinyConfig } from '../builders.ts';

const of = (...overrides: string[]) => tinyConfig(...overrides).run;

test('a budget is in seconds of workers: of hours, of money by the price, of both the lower one', () => {
  expect(budgetSeconds(of())).toBeNull();
  expect(budgetSeconds(of('run.budget.workerHours=2'))).toBe(7_200);
  const priced = ['run.pricePerWorkerHour=4', 'run.budget.money=2'];
  expect(budgetSeconds(of(...priced))).toBe(1_800);
  expect(budgetSeconds(of(...priced, 'run.budget.workerHours=0.25'))).toBe(900);
  expect(budgetText(of(...priced, 'run.currency=EUR'))).toBe('the budget of 2 EUR (run.budget)');
});

test('money without a price, and a budget of nothing, are refused', () => {
  expect(() => of('run.budget.money=2')).toThrow('run.budget.money is 2, but run.pricePerWorkerHour is 0');
  expect(() => of('run.budget={}')).toThrow('run.budget: expected workerHours, money, or both');
  expect(() => of('run.budget.workerHours=0')).toThrow('run.budget.workerHours: Too small');
});
