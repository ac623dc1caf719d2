import type { Config } from '../config/config.ts';
import { eventFileUri, trainingEvents } from '../tensorboard/event-files.ts';
import { formatLog, type LogLine, logUri } from './train-log.ts';

/** One file of a training's log. */
export interface LogFile {
  uri: string;
  bytes: Uint8Array;
  contentType: string;
  /** Whether Tessera reads it again. */
  isRead: boolean;
}

/** The files of a training's log: JSON lines, and a TensorBoard event file if the config enables it. */
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
