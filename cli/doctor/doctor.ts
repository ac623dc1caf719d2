import { styleText } from 'node:util';
import { findServers } from '../session.ts';
import type { Finding } from './finding.ts';
import { checkMachine } from './machine.ts';

interface DoctorOptions {
  output?: string;
  kubernetes?: true;
  json?: true;
}

/** Checks what runs need, prints a line for each finding, and exits with 1 if something failed. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const servers = await findServers();
  const findings = await checkMachine(servers);
  if (servers !== 'none') {
    const { checkTemporal } = await import('./temporal.ts');
    const { checkS3 } = await import('./s3.ts');
    findings.push(...(await checkTemporal()), ...(await checkS3(options.output)));
  }
  const { KUBECONFIG, TESSERA_LAUNCHER } = process.env;
  if (options.kubernetes || KUBECONFIG || TESSERA_LAUNCHER === 'kubernetes') {
    const { checkKubernetes } = await import('./kubernetes.ts');
    findings.push(...(await checkKubernetes()));
  }
  console.log(options.json ? JSON.stringify({ version: 1, findings }, null, 2) : findingsText(findings));
  if (findings.some(({ state }) => state === 'failed')) process.exitCode = 1;
}

const MARKS = { ok: ['green', '✓'], note: ['yellow', '!'], failed: ['red', '✗'] } as const;

/** A line a finding, below its area; what to do follows indented. */
export function findingsText(findings: Finding[]): string {
  const lines: string[] = [];
  for (const [at, { area, what, state, detail, remedy }] of findings.entries()) {
    if (area !== findings[at - 1]?.area) lines.push(...(at > 0 ? [''] : []), area);
    const [colour, mark] = MARKS[state];
    lines.push(`  ${styleText(colour, mark)} ${what}${detail ? `: ${detail}` : ''}`);
    if (remedy) lines.push(`      → ${remedy}`);
  }
  const failed = findings.filter(({ state }) => state === 'failed').length;
  const noted = findings.filter(({ state }) => state === 'note').length;
  const verdict = failed > 0 ? `${failed} of ${findings.length} checks failed` : 'all is well';
  return [...lines, '', `${verdict}${noted > 0 ? `, ${noted} to note` : ''}`].join('\n');
}
