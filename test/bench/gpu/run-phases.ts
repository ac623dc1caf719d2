import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FromPhase, Phase, PhaseReport } from './phase.ts';

export interface RunPhasesOptions {
  phases: Pick<Phase, 'name' | 'seconds' | 'env'>[];
  /** Of the process that runs a phase, which sends `FromPhase`. */
  command(phase: string): string[];
  cwd: string;
  /** For all of them. */
  limitSeconds: number;
  /** Takes `results.json` and `results.txt`, which are written anew with each figure. */
  out: string;
  /** What the JSON has beside the phases, and the text above them. */
  head: { data: Record<string, unknown>; lines: string[] };
  say(line: string): void;
  signal: AbortSignal;
}

/** With less, a phase only opens its session. */
const WORTH_STARTING_SECONDS = 3;

/**
 * Runs phases one after the other, each in a process of its own. One that fails, or outlasts its time, costs only what it
 * has not measured yet.
 */
export async function runPhases(options: RunPhasesOptions): Promise<PhaseReport[]> {
  const { phases, limitSeconds, say, signal } = options;
  await mkdir(options.out, { recursive: true });
  const began = performance.now();
  const reports: PhaseReport[] = phases.map(({ name }) => ({
    name,
    status: 'not started',
    seconds: 0,
    error: null,
    rows: [],
    lines: [],
  }));
  const keep = inTurn(() => write(options, reports));
  for (const [index, phase] of phases.entries()) {
    const report = reports[index]!;
    const left = limitSeconds - (performance.now() - began) / 1000;
    if (signal.aborted || left < WORTH_STARTING_SECONDS) continue;
    report.status = 'running';
    say(`\n${phase.name}`);
    await runPhase(options, { ...phase, seconds: Math.min(phase.seconds, left) }, report, keep);
    if (report.error) say(`  ✗ ${report.error}`);
    await keep();
  }
  await keep();
  return reports;
}

async function runPhase(
  { command, cwd, say, signal }: RunPhasesOptions,
  { name, seconds, env }: Pick<Phase, 'name' | 'seconds' | 'env'>,
  report: PhaseReport,
  keep: () => Promise<void>,
): Promise<void> {
  const start = performance.now();
  const [program, ...args] = command(name);
  const child = spawn(program!, args, {
    cwd,
    // On the fake CUDA, what comes out is the first class: else it may be none.
    env: { ...process.env, FAKE_CUDA_ZEROS: '1', ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const kill = () => child.kill('SIGKILL');
  const timer = setTimeout(() => {
    report.status = 'out of time';
    report.error = `ended after ${seconds.toFixed(0)} s; the figures above are kept`;
    kill();
  }, seconds * 1000);
  signal.addEventListener('abort', kill, { once: true });
  child.on('message', (message: FromPhase) => {
    if (message.type === 'failed') report.error ??= message.message;
    else {
      report.rows.push(message.row);
      report.lines.push(message.line);
      say(`  ${message.line}`);
      keep();
    }
  });
  const end = await ended(child);
  clearTimeout(timer);
  signal.removeEventListener('abort', kill);
  if (end !== 'code 0') report.error ??= `its process ended with ${end}`;
  if (report.status === 'running') report.status = report.error === null ? 'done' : 'failed';
  report.seconds = (performance.now() - start) / 1000;
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // Not at its exit: messages may still be on their way.
    child.once('close', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`));
  });
}

/** One call after the other; those that come meanwhile are one. */
function inTurn(work: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  let next: Promise<void> | null = null;
  return () => {
    next ??= last.then(() => {
      next = null;
      last = work();
      return last;
    });
    return next;
  };
}

/** Whole or not at all: whoever ends us leaves the last one. */
async function write({ out, head }: RunPhasesOptions, phases: PhaseReport[]): Promise<void> {
  const text = [...head.lines, ...phases.flatMap(phaseText)].join('\n');
  const json = JSON.stringify({ version: 1, ...head.data, phases }, null, 2);
  for (const [name, content] of [
    ['results.json', json],
    ['results.txt', text],
  ] as const) {
    const file = path.join(out, name);
    await writeFile(`${file}.new`, `${content}\n`);
    await rename(`${file}.new`, file);
  }
}

function phaseText({ name, status, seconds, error, lines }: PhaseReport): string[] {
  return [
    '',
    `${name}: ${status}, ${seconds.toFixed(1)} s`,
    ...lines.map((line) => `  ${line}`),
    ...(error === null ? [] : [`  ✗ ${error}`]),
  ];
}
