import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  ServerConfiguration,
  Watch,
} from '@kubernetes/client-node';
import { BadInput, Unavailable } from '../../../core/config/failures.ts';

/** An API server that hangs is as good as one that is away. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Of @kubernetes/client-node. */
const CLIENT_FALLBACK = 'http://localhost:8080';

/** A namespace of a cluster, with what Tessera's Role may do there. */
export interface Cluster {
  namespace: string;
  batch: BatchV1Api;
  core: CoreV1Api;
  watch: Watch;
  /** Requests so far, watches included. */
  requests: { count: number };
}

/**
 * The cluster that this process runs in, or that KUBECONFIG names.
 *
 * @throws BadInput if there is neither
 */
export function openCluster(): Cluster {
  const kubeConfig = new KubeConfig();
  try {
    kubeConfig.loadFromDefault();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new BadInput(`KUBECONFIG (${process.env.KUBECONFIG || '~/.kube/config'}) can't be used: ${text}`, {
      cause,
    });
  }
  const cluster = kubeConfig.getCurrentCluster();
  const context = kubeConfig.getContextObject(kubeConfig.getCurrentContext());
  // Where it finds no configuration at all, the client asks a port of this machine.
  if (!cluster || cluster.server === CLIENT_FALLBACK)
    throw new BadInput(
      'no Kubernetes cluster: this is not a pod, and neither KUBECONFIG nor ~/.kube/config names a current context',
    );
  const requests = { count: 0 };
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: kubeConfig },
    promiseMiddleware: [
      {
        async pre(request) {
          requests.count++;
          request.setSignal(AbortSignal.timeout(REQUEST_TIMEOUT_MS));
          return request;
        },
        post: async (response) => response,
      },
    ],
  });
  return {
    namespace: process.env.TESSERA_NAMESPACE ?? context?.namespace ?? 'tessera',
    batch: new BatchV1Api(configuration),
    core: new CoreV1Api(configuration),
    watch: new Watch(kubeConfig),
    requests,
  };
}

/**
 * Asks the API server, and says what its refusal means.
 *
 * @param what is asked, for the message: `create Job eval-1`
 * @throws BadInput with the server's own words if it refuses; Unavailable if it doesn't answer
 */
export async function ask<T>(what: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof ApiException))
      throw new Unavailable(`the Kubernetes API did not answer (${what}): ${messageOf(error)}`, {
        cause: error,
      });
    const { code } = error;
    const words = statusMessage(error) ?? error.message;
    if (code === 429 || code >= 500)
      throw new Unavailable(`the Kubernetes API answered ${code} (${what}): ${words}`);
    throw new BadInput(`the Kubernetes API refuses to ${what}: ${words}`, { cause: error });
  }
}

/** What a request that may find nothing gives, or null. */
export async function ifThere<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (hasCode(error, 404)) return null;
    throw error;
  }
}

/** Whether a failure, or what `ask` made of it, is the API server's answer of a code. */
export function hasCode(error: unknown, code: number): boolean {
  const cause = error instanceof BadInput ? error.cause : error;
  return cause instanceof ApiException && cause.code === code;
}

/** The `message` of a Status object, which the client gives as text or parsed. */
function statusMessage({ body }: ApiException<unknown>): string | undefined {
  try {
    const status = typeof body === 'string' ? JSON.parse(body) : body;
    return typeof status?.message === 'string' ? status.message : undefined;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
