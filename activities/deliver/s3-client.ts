import { S3Client } from '@aws-sdk/client-s3';
import { loadConfig, NODE_REGION_CONFIG_FILE_OPTIONS, NODE_REGION_CONFIG_OPTIONS } from '@smithy/core/config';
import { BadInput } from '../../core/config/failures.ts';
import { ForeignAnswer, type HttpAnswer, isForeign } from '../../core/s3/answer.ts';

/** What servers other than AWS's take their region to be, as a rule. */
const USUAL_REGION = 'us-east-1';
/** So much of a web page says what it is. */
const PAGE_BYTES = 4096;

/**
 * A client as AWS's own settings say: variables, else the profile (`AWS_PROFILE`, `AWS_CONFIG_FILE`), for region,
 * endpoint and credentials. Any other answer than a store's is an error.
 *
 * @throws BadInput if they name an endpoint that is no URL; its requests, if they name no region
 */
export async function s3Client(): Promise<S3Client> {
  const endpoint = await configuredEndpoint();
  const client = new S3Client({
    // Asked for at the first request: who makes none needs none.
    region: configuredRegion(endpoint),
    // Servers other than AWS's rarely answer to bucket.host names.
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    maxAttempts: 4,
    // Whatever is read is checked against the digest in its manifest; S3's own sums would be a second time.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 120_000 },
  });
  refuseForeignAnswers(client);
  return client;
}

/** `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the profile's `services` section or `endpoint_url`. */
async function configuredEndpoint(): Promise<string | undefined> {
  const asConfigured = new S3Client({ region: USUAL_REGION });
  const endpoint = await asConfigured.config.serviceConfiguredEndpoint?.();
  if (endpoint && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)))
    throw new BadInput(
      `AWS_ENDPOINT_URL_S3: ${endpoint} is no URL of a server; expected such as https://s3.example.org`,
    );
  return endpoint;
}

function configuredRegion(endpoint: string | undefined): () => Promise<string> {
  const region = loadConfig<string>(
    {
      ...NODE_REGION_CONFIG_OPTIONS,
      environmentVariableSelector: (env) => env.AWS_REGION || env.AWS_DEFAULT_REGION,
      // AWS's own machines know their region; it means nothing to another server.
      default: endpoint ? USUAL_REGION : NODE_REGION_CONFIG_OPTIONS.default!,
    },
    NODE_REGION_CONFIG_FILE_OPTIONS,
  );
  return () =>
    region().catch((cause) => {
      throw new BadInput(
        'no AWS region: set AWS_REGION to the region of your bucket, or a region in your AWS profile',
        { cause },
      );
    });
}

function refuseForeignAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const result = await next(args);
        const response = result.response as HttpAnswer & { body?: AsyncIterable<Uint8Array> };
        if (!isForeign(response, commandName)) return result;
        const page = await beginningOf(response.body);
        throw new ForeignAnswer(response, response.headers.location ?? page);
      },
    { step: 'deserialize', priority: 'low', name: 'refuseForeignAnswers' },
  );
}

async function beginningOf(body: AsyncIterable<Uint8Array> = emptyBody()): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= PAGE_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, PAGE_BYTES);
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}
