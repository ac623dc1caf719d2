import { vi } from 'vitest';
import { kubernetesLauncher } from '../../../../activities/launch/kubernetes/kubernetes.ts';
import { memoryStore } from '../../publish/memory-store.ts';
import { LAST_WORDS, launcherSuite } from '../launcher-suite.ts';
import { fakeCluster } from './fake-cluster.ts';

vi.setConfig({ testTimeout: 60_000 });

/** As a container's runtime tells of signals. */
const EXIT_CODE = { SIGTERM: 143, SIGKILL: 137 };

launcherSuite(async () => {
  const { cluster, endPod, runningPods } = fakeCluster();
  return {
    launcher: kubernetesLauncher(cluster, memoryStore().store, 'default'),
    async end(worker, how) {
      endPod(worker, 'code' in how ? how.code : EXIT_CODE[how.signal], LAST_WORDS);
    },
    running: async () => runningPods().sort(),
  };
});
