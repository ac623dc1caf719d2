import { expect, test } from 'vitest';
import { listQuery } from '../../../cli/runs/list.ts';
import { currentType } from '../../../core/config/listing.ts';

test('trainings of earlier versions are listed beside today’s, by today’s name', () => {
  expect(listQuery({}, 0)).toContain("WorkflowType IN ('EvalMIoU', 'Train', 'ReproduceTable', 'TrainHead')");
  expect(currentType('TrainHead')).toBe('Train');
  expect(currentType('EvalMIoU')).toBe('EvalMIoU');
});
