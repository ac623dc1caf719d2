/** `20261124-215003`, UTC. */
export function timestamp(now: Date): string {
  return now
    .toISOString()
    .replace(/\D/g, '')
    .replace(/^(\d{8})(\d{6}).*/, '$1-$2');
}
