import { execFile } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';
import os from 'node:os';
import { promisify } from 'node:util';
import { codeVersion, stateFolder } from '../../workers/environment.ts';
import { type Finding, found } from './finding.ts';

/** Majors that Node's makers still mend. */
const SUPPORTED_FROM = 22;
/** The demo's servers, weights and results; a 6B checkpoint wants 12 GB more. */
const ROOM_BYTES = 2e9;

/** This machine: Node, room on its disk, a GPU; and how it gets servers where none are named. */
export async function checkMachine(servers: 'named' | 'stack' | 'none'): Promise<Finding[]> {
  const findings = [
    await found('machine', 'Tessera', async () => `${codeVersion()} on ${os.type()} ${os.arch()}`),
    await found('machine', 'Node', async () => {
      const version = process.versions.node;
      if (Number.parseInt(version, 10) >= SUPPORTED_FROM) return version;
      return {
        state: 'note',
        detail: `${version} works, but its makers no longer mend it`,
        remedy: 'install Node 24',
      };
    }),
    await found('machine', 'room', async () => {
      const folder = stateFolder();
      await mkdir(folder, { recursive: true });
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      const detail = `${(free / 1e9).toFixed(1)} GB free in ${folder}`;
      if (free >= ROOM_BYTES) return detail;
      return {
        state: 'note',
        detail,
        remedy: 'make room there, or set TESSERA_STATE to a folder on another disk',
      };
    }),
    await found('machine', 'GPU', gpu),
  ];
  if (servers === 'none')
    findings.push(
      await found('machine', 'servers', async () => ({
        state: 'note',
        detail:
          'neither TEMPORAL_ADDRESS nor a local stack: each command that needs them starts Temporal and S3 for itself',
        remedy: 'keep them up with `npx tessera stack`, or set TEMPORAL_ADDRESS and the AWS variables',
      })),
    );
  return findings;
}

async function gpu(): Promise<string | Partial<Finding>> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 });
    return stdout.trim().split('\n').join('; ');
  } catch {
    return 'none here (nvidia-smi): local workers compute on the CPU';
  }
}
