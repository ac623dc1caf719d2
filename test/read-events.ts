import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const READ = `
import json, sys
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata
records = sum(1 for _ in RawEventFileLoader(sys.argv[2]).Load())
events = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
tags = {tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}
tags = tags or {tag: [[e.step, float(e.tensor_proto.float_val[0]), e.wall_time] for e in events.Tensors(tag)] for tag in events.Tags()['tensors']}
content = events.SummaryMetadata('_hparams_/session_start_info').plugin_data.content
hparams = metadata.parse_session_start_info_plugin_data(content).hparams
print(json.dumps({'records': records, 'tags': tags, 'lr': hparams['train.optimizer.lr'].number_value, 'name': hparams['name'].string_value}))
`;

export interface Read {
  records: number;
  tags: Record<string, [step: number, value: number, seconds: number][]>;
  lr: number;
  name: string;
}

/** An event file as TensorBoard's own reader sees it. @param bin of TensorBoard's Python environment */
export function readEvents(bin: string, bytes: Uint8Array): Read {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-events-'));
  const file = path.join(folder, 'events.out.tfevents.tessera');
  writeFileSync(file, bytes);
  const out = execFileSync(path.join(bin, 'python'), ['-W', 'ignore', '-c', READ, folder, file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(out.toString());
}
