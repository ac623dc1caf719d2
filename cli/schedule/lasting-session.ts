import { BadInput } from '../../core/config/failures.ts';
import { readRunningStack } from '../../infra/local/stack.ts';
import { stateFolder } from '../../workers/environment.ts';
import { openSession, type Session } from '../session.ts';
import { SILENT } from '../terminal.ts';

/** A session with a Temporal that outlives the command. @throws BadInput if there is none: a schedule would end with it */
export async function lastingSession(): Promise<Session> {
  const isNamed = process.env.TEMPORAL_ADDRESS || process.env.TEMPORAL_CONFIG_FILE;
  if (!isNamed && !(await readRunningStack(stateFolder())))
    throw new BadInput(
      'a schedule needs a Temporal that stays up: name one (TEMPORAL_ADDRESS), or keep `tessera stack` running',
    );
  return openSession(SILENT);
}
