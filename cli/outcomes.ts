/** A run that is done, and not as good as it was to be. */
export class GateNotMet extends Error {
  override name = 'GateNotMet';
}

/** A run that somebody has ended: no failure of its own. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}
