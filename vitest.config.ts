import { defineConfig } from 'vitest/config';

const withServers = ['test/integration/**/*.test.ts', 'test/infra/**/*.test.ts', 'test/page/**/*.test.ts'];
const withCluster = ['test/cluster/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...withServers, ...withCluster],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: withServers,
          // Real servers and worker processes: one file after the other, or they starve each other of cores.
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'cluster', // `npm run test:k8s` only: these want a Kubernetes.
          include: withCluster,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
