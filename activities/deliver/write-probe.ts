import { DeleteObjectCommand, PutObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { BadInput } from '../../core/config/failures.ts';

/** One name for every probe: where none may be removed, one object stays. */
const PROBE_NAME = '.tessera-write-probe';
const BODY = 'Tessera writes this to check that it can publish here, and removes it.\n';

const NO_CHECKSUMS = 'AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED';
const NO_CONDITIONS = 'TESSERA_S3_CONDITIONAL_WRITES=off';

/** How a request is sent: with the SDK's checksums, and with `If-None-Match`. */
interface Way {
  checksums: boolean;
  condition: boolean;
}

/**
 * Writes a small object as publishing does, to check whether the store takes checksums and honours `If-None-Match`.
 * Costs four requests and needs no right but to write. Safe to run at the same time as others: a probe that
 * meets another one's object has its answer.
 *
 * @param folder below which a run publishes
 * @throws BadInput that says what to set for a store that refuses or ignores one of them; else S3's own error
 */
export async function probeWrites(
  client: S3Client,
  folder: string,
  { conditionalWrites }: { conditionalWrites: 'on' | 'off' },
): Promise<void> {
  const uri = `${folder.replace(/\/+$/, '')}/${PROBE_NAME}`;
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri)!;
  const at = { Bucket: Bucket!, Key: Key! };
  const asUsual = { checksums: true, condition: conditionalWrites === 'on' };
  const first = await tryPut(client, at, asUsual);
  if (first === 'exists') return;
  if (first !== 'written') throw await explained(client, at, folder, asUsual, first);
  // Twice: a probe elsewhere may remove this one's object late.
  const outcomes = [await tryPut(client, at, asUsual), await tryPut(client, at, asUsual)];
  await remove(client, at);
  const refusal = outcomes.find((outcome) => outcome instanceof Error);
  if (refusal) throw refusal;
  if (!asUsual.condition || outcomes.includes('exists')) return;
  throw new BadInput(
    `${folder}: the store ignores If-None-Match: it replaces what it should leave alone, so two runs at once could ` +
      `overwrite each other's results. ${remedy([NO_CONDITIONS])}`,
  );
}

/** 'exists' is the answer of a store that honours the condition; an error is one that it refused. */
async function tryPut(
  client: S3Client,
  at: { Bucket: string; Key: string },
  { checksums, condition }: Way,
): Promise<'written' | 'exists' | Error> {
  const put = new PutObjectCommand({
    ...at,
    Body: Buffer.from(BODY),
    ...(condition ? { IfNoneMatch: '*' } : {}),
  });
  if (!checksums) withoutChecksums(put);
  try {
    await client.send(put);
    return 'written';
  } catch (error) {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
    // A conflict is that of another probe: the store looks at the condition.
    if (condition && (status === 412 || status === 409)) return 'exists';
    return error as Error;
  }
}

/** Finds out by plainer requests which header the store doesn't take. */
async function explained(
  client: S3Client,
  at: { Bucket: string; Key: string },
  folder: string,
  asUsual: Way,
  refusal: Error,
): Promise<Error> {
  const status = refusal instanceof S3ServiceException ? (refusal.$metadata.httpStatusCode ?? 0) : 0;
  if (![400, 403, 405, 411, 501].includes(status)) return refusal;
  // The fewest settings first: each that is off makes something weaker.
  const plainer: { way: Way; settings: string[] }[] = [
    { way: { ...asUsual, checksums: false }, settings: [NO_CHECKSUMS] },
    { way: { ...asUsual, condition: false }, settings: [NO_CONDITIONS] },
    { way: { checksums: false, condition: false }, settings: [NO_CHECKSUMS, NO_CONDITIONS] },
  ];
  for (const { way, settings } of plainer) {
    if (!asUsual.condition && settings.includes(NO_CONDITIONS)) continue;
    const outcome = await tryPut(client, at, way);
    if (outcome instanceof Error) continue;
    await remove(client, at);
    const headers = settings.map((setting) =>
      setting === NO_CHECKSUMS ? 'checksum headers' : 'If-None-Match',
    );
    const words = [refusal.name, refusal.message].filter(Boolean).join(': ');
    return new BadInput(
      `${folder}: the store refuses ${headers.join(' and ')} (${words}). ${remedy(settings)}`,
      {
        cause: refusal,
      },
    );
  }
  return refusal;
}

function remedy(settings: string[]): string {
  const weaker = settings.includes(NO_CONDITIONS) ? ' (weaker: see docs/operations.md)' : '';
  return `Set ${settings.join(' and ')}${weaker} for the control worker and all others`;
}

/** Not allowed everywhere; what stays then is one small object, which the next probe meets. */
async function remove(client: S3Client, at: { Bucket: string; Key: string }): Promise<void> {
  await client.send(new DeleteObjectCommand(at)).catch(() => {});
}

/** Takes them off after the SDK has set them, before the request is signed. */
function withoutChecksums({ middlewareStack }: PutObjectCommand): void {
  middlewareStack.add(
    (next) => async (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      for (const name of Object.keys(headers))
        if (/^x-amz-(checksum-|sdk-checksum-)/i.test(name)) delete headers[name];
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'withoutChecksums' },
  );
}
