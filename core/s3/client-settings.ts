/** The settings of an S3 client that say which store it asks. */
export interface ClientLike {
  config: {
    endpoint?: (() => Promise<{ protocol: string; hostname: string; port?: number | undefined }>) | undefined;
    region(): Promise<string>;
  };
}

/** Endpoint (null for AWS's own) and region of a client, as messages name them. */
export async function settingsOf({
  config,
}: ClientLike): Promise<{ endpoint: string | null; region: string }> {
  const endpoint = await config.endpoint?.();
  const port = endpoint?.port ? `:${endpoint.port}` : '';
  return {
    endpoint: endpoint ? `${endpoint.protocol}//${endpoint.hostname}${port}` : null,
    // That it can't be found is itself the failure that is being reported.
    region: await config.region().catch(() => ''),
  };
}
