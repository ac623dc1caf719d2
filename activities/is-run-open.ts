import { type Client, WorkflowNotFoundError } from '@temporalio/client';

/** A run of a workflow, as Temporal names it. */
export interface RunName {
  workflowId: string;
  runId: string;
}

/** Whether a run is still going on; one that the server doesn't know (any more) is not. @throws if it can't be asked */
export async function isRunOpen(client: Client, { workflowId, runId }: RunName): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
