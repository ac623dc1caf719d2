import { s3Client } from '../../activities/deliver/s3-client.ts';
import { s3Store } from '../../activities/deliver/s3-store.ts';
import { joinUri } from '../../core/store.ts';
import { type Finding, found } from './finding.ts';

/** AWS refuses requests that are signed a quarter of an hour off. */
const SKEW_REFUSED_SECONDS = 900;
const SKEW_NOTED_SECONDS = 60;
const PROBE = '.tessera-doctor';

/** The object store: whether it answers, what may be done in it, its conditional writes, its clock. */
export async function checkS3(output: string | undefined): Promise<Finding[]> {
  const folder = output ?? `s3://${process.env.TESSERA_BUCKET ?? 'tessera'}/runs`;
  const client = await s3Client();
  const store = s3Store(client);
  const endpoint = (await client.config.endpoint?.())?.hostname ?? "AWS's own";
  // Any answer has a date, a refusal as well.
  let answeredAt: string | undefined;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      answeredAt ??= (result.response as { headers?: Record<string, string> }).headers?.date;
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'noteDate' },
  );
  const uri = joinUri(folder, PROBE);
  const list = await found('S3', 'list', async () => {
    await store.list(uri);
    return `${endpoint}, ${folder}`;
  });
  if (list.state === 'failed')
    return [
      {
        ...list,
        remedy:
          'check the AWS variables (AWS_ENDPOINT_URL_S3, AWS_REGION, credentials) and the bucket (TESSERA_BUCKET, --output)',
      },
    ];
  const write = await found('S3', 'write, read, remove', async () => {
    await store.write(uri, Buffer.from('tessera doctor'));
    await store.read(uri);
    await store.remove(uri);
    return 'allowed';
  });
  const conditions = await found('S3', 'conditional writes', async () => {
    if (process.env.TESSERA_S3_CONDITIONAL_WRITES === 'off')
      return {
        state: 'note',
        detail: 'off (TESSERA_S3_CONDITIONAL_WRITES): two runs of one id could overwrite each other',
      };
    await store.checkWrites(folder);
    return 'honoured';
  });
  return [list, write, conditions, ...(answeredAt ? [clock(answeredAt)] : [])];
}

/** How far this machine's clock is from the store's. */
export function clock(answeredAt: string, now = Date.now()): Finding {
  const skew = Math.round((now - Date.parse(answeredAt)) / 1000);
  const detail = `${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead of'} the store's`;
  const finding = { area: 'S3', what: 'clock' } as const;
  if (Math.abs(skew) < SKEW_NOTED_SECONDS) return { ...finding, state: 'ok', detail };
  const state = Math.abs(skew) < SKEW_REFUSED_SECONDS ? 'note' : 'failed';
  return { ...finding, state, detail, remedy: "set this machine's clock (NTP): signatures expire by it" };
}
