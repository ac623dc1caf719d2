import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { isGrpcServiceError, NamespaceNotFoundError } from '@temporalio/client';
import { TypedFailure } from '../core/config/failures.ts';
import { stateFolder } from '../workers/environment.ts';
import { Cancelled, GateNotMet } from './outcomes.ts';

/** gRPC's status codes, as far as they ask for words of their own. */
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What errors of a machine mean to its user, by Node's codes. */
const MACHINE: Record<string, (file: string) => string> = {
  ENOSPC: (file) =>
    `the disk of ${file} is full: make room there, or set TESSERA_STATE to a folder on another one`,
  EDQUOT: (file) => `the disk quota at ${file} is used up: make room, or set TESSERA_STATE to another folder`,
  EROFS: (file) =>
    `${file} can't be written: its file system is read-only. Set TESSERA_STATE to another folder`,
  EACCES: (file) => `${file}: permission denied`,
  EPERM: (file) => `${file}: operation not permitted`,
  EMFILE: () => 'too many open files: raise the limit (ulimit -n)',
};

/**
 * A failure that a user can act on, in a sentence.
 *
 * @returns null for an unforeseen error
 */
export function explain(error: unknown): string | null {
  if (error instanceof TypedFailure || error instanceof GateNotMet || error instanceof Cancelled)
    return error.message;
  const service = serviceError(error);
  if (service) return explainTemporal(service);
  if (error instanceof NamespaceNotFoundError) return noNamespace(error.namespace);
  const { code, path, dest } = (error ?? {}) as { code?: unknown; path?: string; dest?: string };
  const machine = typeof code === 'string' ? MACHINE[code] : undefined;
  return machine ? machine(dest ?? path ?? 'this machine') : null;
}

/** An unforeseen error in a sentence; its stack goes to a file, for a bug report. */
export function unexpected(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? inspect(error) : text;
  const file = path.join(stateFolder(), 'logs', 'unexpected.log');
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${process.argv.slice(2).join(' ')}\n${stack}\n`);
    return `unexpected error, most likely a bug: ${text} (its stack: ${file})`;
  } catch {
    return `unexpected error, most likely a bug: ${stack}`;
  }
}

/** Whether Temporal didn't answer, as opposed to having refused. */
export function isTemporalAway(error: unknown): boolean {
  const code = serviceError(error)?.code;
  return code === UNAVAILABLE || code === DEADLINE_EXCEEDED;
}

function explainTemporal({ code, details }: { code: number; details: string }): string {
  const address = process.env.TEMPORAL_ADDRESS ?? 'its address';
  if (code === UNAVAILABLE || code === DEADLINE_EXCEEDED)
    return `Temporal does not answer at ${address} (TEMPORAL_ADDRESS): ${details}`;
  if (code === UNAUTHENTICATED || code === PERMISSION_DENIED)
    return `Temporal at ${address} refuses access: ${details}. Check TEMPORAL_API_KEY or the TEMPORAL_TLS_ variables`;
  const namespace = code === NOT_FOUND && /namespace (\S+) is not found/i.exec(details)?.[1];
  if (namespace) return noNamespace(namespace);
  return `Temporal at ${address} refuses: ${details}`;
}

function noNamespace(namespace: string): string {
  return (
    `Temporal has no namespace ${namespace} (TEMPORAL_NAMESPACE). ` +
    `Create it: temporal operator namespace create --namespace ${namespace}`
  );
}

function serviceError(error: unknown): { code: number; details: string } | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (isGrpcServiceError(at)) return { code: at.code, details: at.details };
  return null;
}
