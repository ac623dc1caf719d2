import { z } from 'zod';
import type { Draws } from '../../../core/train/draws.ts';

/** A number that the original drew: by which function of `numpy.random`, with what arguments. */
export const DrawSchema = z.looseObject({ fn: z.string(), args: z.array(z.number()), value: z.number() });
type Draw = z.infer<typeof DrawSchema>;

/**
 * Gives recorded numbers again.
 *
 * @throws Error if something else is asked for than was drawn
 */
export function replay(recorded: Draw[]): Draws & { left(): number } {
  let at = 0;
  const next = (asked: string) => {
    const drawn = recorded[at++];
    if (!drawn) throw new Error(`${asked} is drawn, but the original drew no more`);
    return drawn;
  };
  const mismatch = (asked: string, { fn, args }: Draw) =>
    new Error(`${asked} is drawn, but the original drew ${fn}(${args})`);
  return {
    uniform() {
      const drawn = next('a number in [0, 1)');
      const { fn, args, value } = drawn;
      if (fn === 'random_sample' || fn === 'rand') return value;
      // Back to where in its range the number lay: exact, since the ranges are powers of two.
      if (fn === 'uniform') return (value - args[0]!) / (args[1]! - args[0]!);
      throw mismatch('a number in [0, 1)', drawn);
    },
    integer(low, high) {
      const asked = `an integer from ${low} to below ${high}`;
      const drawn = next(asked);
      const [from, to] = drawn.args.length === 1 ? [0, drawn.args[0]] : drawn.args;
      if (drawn.fn !== 'randint' || from !== low || to !== high) throw mismatch(asked, drawn);
      return drawn.value;
    },
    normal() {
      throw new Error('a normal number is drawn, which the original never does');
    },
    left: () => recorded.length - at,
  };
}
