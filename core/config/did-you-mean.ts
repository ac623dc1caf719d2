import { closest } from 'fastest-levenshtein';

/** The end of a sentence about an unknown name: `; did you mean NEAREST?`, or nothing where no name is known. */
export function didYouMean(name: string, known: readonly string[]): string {
  return known.length > 0 ? `; did you mean ${closest(name, known)}?` : '';
}
