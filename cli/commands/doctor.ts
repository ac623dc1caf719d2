import type { Command } from 'commander';

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check Temporal, S3, Kubernetes and this machine, and say what to fix')
    .option('--output <s3-uri>', 'folder for the results of runs (default: s3://<bucket>/runs)')
    .option(
      '--kubernetes',
      'check a cluster too; default if TESSERA_LAUNCHER=kubernetes or KUBECONFIG is set',
    )
    .option('--json', 'print JSON')
    .action(async (options) => (await import('../doctor/doctor.ts')).doctor(options));
}
