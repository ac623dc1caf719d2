import type { Command } from 'commander';

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check what runs need: Temporal, S3, Kubernetes, this machine; each with what to do')
    .option('--output <s3-uri>', 'folder that runs publish below (default: s3://<bucket>/runs)')
    .option('--kubernetes', 'check a cluster too; the default where TESSERA_LAUNCHER or KUBECONFIG is set')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('../doctor/doctor.ts')).doctor(options));
}
