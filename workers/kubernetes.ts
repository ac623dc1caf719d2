// What a control worker needs on a cluster only.
export { openCluster } from '../activities/launch/kubernetes/cluster.ts';
export { kubernetesLauncher } from '../activities/launch/kubernetes/kubernetes.ts';
export { sweepLeftovers } from './sweep.ts';
