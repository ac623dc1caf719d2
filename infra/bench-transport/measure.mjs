/** What one pass gives: bytes, seconds, and CPU seconds by process. */
export function report(name, { bytes, seconds, cpu }) {
  const gigabytes = bytes / 1e9;
  const perGB = Object.entries(cpu).map(([who, spent]) => `${who} ${(spent / gigabytes).toFixed(2)}`);
  console.log(`${name}: ${(bytes / 1e6 / seconds).toFixed(0)} MB/s; CPU seconds a GB: ${perGB.join(', ')}`);
}

/** CPU seconds of this process since `from`, a `process.cpuUsage()`. */
export function cpuSince(from) {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1e6;
}

/** Messages under way at a time: a receiver asks for the next one as it has taken one. */
export const CREDITS = 2;
/** One crop's features of the 6B: 3200 × 36 × 36 in bfloat16. */
export const MESSAGE_BYTES = 3200 * 36 * 36 * 2;
export const MESSAGES = 240;
