import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { ensureBuild } from './infra/local/build.mjs';

// Tests start the programs that are shipped: compiled.
process.env.TESSERA_BUILD = await ensureBuild(fileURLToPath(new URL('.', import.meta.url)));

const core = ['test/core/**/*.test.ts'];
const servers = ['test/integration/**/*.test.ts', 'test/infra/**/*.test.ts', 'test/page/**/*.test.ts'];
const long = ['test/**/*.long.test.ts'];
const cuda = ['test/cuda/**/*.test.ts'];
const cluster = ['test/cluster/**/*.test.ts'];

/** Real servers and worker processes: one file after the other, or they starve each other of cores. */
const withServers = { fileParallelism: false, testTimeout: 180_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...core, ...servers, ...long, ...cuda, ...cluster],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'core', // Pure code: its files share a process, which saves half of their time.
          include: core,
          exclude: long,
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: servers,
          exclude: long,
          ...withServers,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'long', // `npm run test:all` and CI only: what takes minutes.
          include: long,
          ...withServers,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'cluster', // `npm run test:k8s` only: these want a Kubernetes.
          include: cluster,
          ...withServers,
          testTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'cuda', // `npm run check:cuda` only: these want its fake CUDA.
          include: cuda,
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
