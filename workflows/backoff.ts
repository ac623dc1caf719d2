/** A service that is away comes back within a minute or not soon. */
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 20_000;
/** What a training of days waits for may take longer: by seven tries in a row, a quarter of an hour. */
const MAX_LONG_BACKOFF_MS = 600_000;

/** How long to wait after so many failures in a row, ms. */
export function backoff(failures: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
}

/** As `backoff`, where giving up is dear: soon it waits for minutes. */
export function longBackoff(failures: number): number {
  return Math.min(FIRST_BACKOFF_MS * 4 ** (failures - 1), MAX_LONG_BACKOFF_MS);
}
