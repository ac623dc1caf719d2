import type { WorkflowStartOptions } from '@temporalio/client';
import { listedInput, MEMO_KEY, nameOf } from '../../core/config/listing.ts';

type Described = Pick<WorkflowStartOptions, 'memo' | 'staticSummary' | 'staticDetails'>;

/** What Temporal's list and pages show of a workflow from its start on, before it can say more itself. */
export function describedStart(type: string, input: unknown): Described {
  if (typeof input !== 'object' || input === null) return {};
  const given = Object.entries(input as Record<string, unknown>).filter(
    ([name, value]) => name !== 'config' && name !== 'rows' && value !== '' && typeof value !== 'object',
  );
  const { overrides } = input as { overrides?: unknown };
  const lines = [
    ...given.map(([name, value]) => `- ${name}: ${value}`),
    ...(Array.isArray(overrides) && overrides.length > 0 ? [`- overrides: ${overrides.join(' ')}`] : []),
  ];
  const staticDetails = lines.join('\n');
  if (type.startsWith('Stage')) {
    const { source, destination } = input as { source?: string; destination?: string };
    return {
      staticSummary: `${nameOf(source ?? '')} to ${destination}`.slice(0, MAX_SUMMARY),
      staticDetails,
    };
  }
  const listed = listedInput(input as Parameters<typeof listedInput>[0]);
  return {
    memo: { [MEMO_KEY]: { ...listed, state: 'started' } },
    staticSummary: `${listed.config} on ${listed.dataset}`.slice(0, MAX_SUMMARY),
    staticDetails,
  };
}

/** Bytes that Temporal takes; names are ASCII for the most part. */
const MAX_SUMMARY = 200;
