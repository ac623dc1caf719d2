/** A worker's name without that of its fleet, which holds the run's id: `0` or `0-x7k2p`. */
export function shortName(worker: string): string {
  return worker.replace(/^(eval|train)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-/, '');
}
