import pLimit from 'p-limit';
import { withoutTimes } from '../../../core/log-lines.ts';
import { joinUri, type Store } from '../../../core/store.ts';
import { ask, type Cluster } from './cluster.ts';
import { CONTAINER } from './job.ts';

const LINES = 5_000;
/** And of these so much: a store is no place for what a worker in distress repeats. */
const MAX_CHARACTERS = 1 << 20;
/** What a message quotes of them. */
const QUOTED_LINES = 10;
const QUOTED_CHARACTERS = 2_000;
const AT_ONCE = 8;
/** What a kubelet gives, as if it were the log, of a container that it has removed already. */
const NO_LOG = 'unable to retrieve container logs for ';

/** Pods' last lines, kept in S3 before the pods go. */
export interface PodLogs {
  /** Reads and stores a pod's last lines; gives the very last ones, to be quoted, or nothing if they can't be had. */
  keep(pod: string): Promise<string | undefined>;
}

export function podLogs(cluster: Cluster, store: Store, folder: string): PodLogs {
  const limit = pLimit(AT_ONCE);
  /** What is to be quoted, and by what a text is known again: the texts themselves are long. */
  const stored = new Map<string, { quoted: string | undefined; mark: string }>();

  async function keep(pod: string): Promise<string | undefined> {
    const read = cluster.core.readNamespacedPodLog({
      name: pod,
      namespace: cluster.namespace,
      container: CONTAINER,
      tailLines: LINES,
      timestamps: true,
    });
    // A pod of a lost node, or one that never began, has none to give: that is no failure of the run.
    const all = await ask(`read the log of ${pod}`, read).catch(() => '');
    const text = all.slice(-MAX_CHARACTERS);
    const earlier = stored.get(pod);
    const mark = `${text.length} ${text.slice(-QUOTED_CHARACTERS)}`;
    if (!text || text.startsWith(NO_LOG) || mark === earlier?.mark) return earlier?.quoted;
    const options = { contentType: 'text/plain; charset=utf-8' };
    const written = store.write(joinUri(folder, `${pod}.log`), Buffer.from(text), options);
    // A store that is away must keep no GPU waiting: the next look tries again.
    await written.then(
      () => stored.set(pod, { quoted: quote(text), mark }),
      () => {},
    );
    return quote(text);
  }

  return { keep: (pod) => limit(keep, pod) };
}

function quote(text: string): string {
  const lines = text.trimEnd().split('\n').slice(-QUOTED_LINES);
  return withoutTimes(lines).join('\n').slice(-QUOTED_CHARACTERS);
}
