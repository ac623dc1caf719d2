/**
 * Puts the time in front of each line that this process writes from now on. Kubernetes keeps it beside a pod's lines; a
 * file keeps only what is written.
 */
export function logWithTimes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream);
    let isLineStart = true;
    stream.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      const time = `${new Date().toISOString()} `;
      const timed = text.replace(/(?<=\n)(?=.)/gs, time);
      const whole = isLineStart && text !== '' ? time + timed : timed;
      isLineStart = text.endsWith('\n');
      return write(whole, ...rest);
    }) as typeof stream.write;
  }
}
