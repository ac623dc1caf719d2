import { FAILURE_CLASSES, type FailureClass } from '../../core/config/failures.ts';

/** A failure as Temporal's history keeps it, as far as it is read here. */
export interface KeptFailure {
  message?: string | null;
  cause?: KeptFailure | null;
  applicationFailureInfo?: { type?: string | null } | null;
  activityFailureInfo?: {
    identity?: string | null;
    activityType?: { name?: string | null } | null;
    scheduledEventId?: { toString(): string } | null;
  } | null;
  childWorkflowExecutionFailureInfo?: {
    workflowExecution?: { workflowId?: string | null } | null;
    workflowType?: { name?: string | null } | null;
  } | null;
  timeoutFailureInfo?: object | null;
}

export interface FailureChain {
  class: FailureClass;
  message: string;
  /** From the failure inwards, each a line; what was said before is left out. */
  causes: string[];
  /** Who was at work, if it was a worker's activity. */
  worker: string | null;
  activity: { type: string; scheduledEventId: string } | null;
}

/** What a run's failure says, from its sentence down to the first cause. */
export function failureChain(failure: KeptFailure): FailureChain {
  const causes: string[] = [];
  let worker: string | null = null;
  let activity: FailureChain['activity'] = null;
  const said = new Set([failure.message ?? '']);
  for (let at = failure.cause; at; at = at.cause) {
    const { activityFailureInfo: info, childWorkflowExecutionFailureInfo: child } = at;
    if (info) {
      const type = info.activityType?.name ?? 'an activity';
      if (isOfWorker(type)) worker = info.identity || worker;
      activity = { type, scheduledEventId: String(info.scheduledEventId ?? '') };
      causes.push(`in ${type}${info.identity ? `, on ${info.identity}` : ''}`);
    } else if (child)
      causes.push(
        `in ${child.workflowType?.name ?? 'a workflow'} ${child.workflowExecution?.workflowId ?? ''}`.trimEnd(),
      );
    else if (at.timeoutFailureInfo) causes.push('no heartbeat came in time: killed, or its node lost');
    else if (at.message && !said.has(at.message))
      causes.push(withType(at.message, at.applicationFailureInfo?.type));
    if (at.message) said.add(at.message);
  }
  const type = failure.applicationFailureInfo?.type;
  return {
    class: FAILURE_CLASSES.find((name) => name === type) ?? 'Unexpected',
    message: failure.message ?? 'without a message',
    causes,
    worker,
    activity,
  };
}

/** Control workers' activities have no shard and no log of a worker's. */
function isOfWorker(type: string): boolean {
  return ['evaluateShard', 'trainSegment', 'serveFeatures'].includes(type);
}

function withType(message: string, type: string | null | undefined): string {
  return type && type !== 'Error' && !message.startsWith(type) ? `${type}: ${message}` : message;
}
