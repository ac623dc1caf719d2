import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { workflowBundle } from '../../workers/workflow-bundle.ts';

const folder = import.meta.dirname;
const histories = readdirSync(folder).filter((file) => file.endsWith('.json'));

beforeAll(() => {
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
});

describe('a run that was recorded earlier', () => {
  it.each(histories)('is replayed by the workflows as they are now: %s', async (file) => {
    const history = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history);
  });

  it.each(histories)('goes on when traces have been turned on since: %s', async (file) => {
    const history = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle('traced') }, history);
  });

  it('is not replayed when the workflow would do something else', async () => {
    const history = JSON.parse(readFileSync(path.join(folder, 'recorded.json'), 'utf8'));
    const scheduled = history.events.find(
      (event: { activityTaskScheduledEventAttributes?: unknown }) =>
        event.activityTaskScheduledEventAttributes,
    );
    scheduled.activityTaskScheduledEventAttributes.activityType.name = 'somethingElse';
    await expect(
      Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history),
    ).rejects.toThrow(/[Nn]ondeterminis/);
  });

  it('is there to be replayed', () => {
    expect(histories.length).toBeGreaterThan(2);
  });
});
