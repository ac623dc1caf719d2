import type { Config } from '../config/config.ts';
import { eventFileUri, trainingEvents } from '../tensorboard/event-files.ts';
import { formatLog, type LogLine, logUri } from './train-log.ts';

/** A file that a training's log is kept in. */
export interface LogFile {
  uri: string;
  bytes: Uint8Array;
  contentType: string;
  /** Whether Tessera reads it again. */
  isRead: boolean;
}

/** A training's log as its folder keeps it: as JSON lines, and as TensorBoard's event file if the config asks for that. */
export function logFiles(prefix: string, lines: LogLine[], config: Config): LogFile[] {
  const json = {
    uri: logUri(prefix),
    bytes: formatLog(lines),
    contentType: 'application/json',
    isRead: true,
  };
  if (!config.run.report?.tensorboard) return [json];
  const events = trainingEvents(lines, config);
  const contentType = 'application/octet-stream';
  return [json, { uri: eventFileUri(prefix), bytes: events, contentType, isRead: false }];
}
