import { loadConfig } from '../activities/plan/load-config.ts';
import { suiteConfigs } from '../activities/plan/plan-table.ts';
import { BadInput } from '../core/config/failures.ts';
import { publishedName } from '../core/config/published.ts';
import type { Staged } from '../core/config/stage.ts';
import { SUITES, type Suite } from '../core/config/table.ts';
import { joinUri } from '../core/store.ts';
import { runToEnd } from './run-workflow.ts';
import { connectSession } from './session.ts';
import { terminal } from './terminal.ts';
import { timestamp } from './timestamp.ts';

export interface StagePublishedOptions {
  to: string;
  json?: true;
}

/** Stages what configs name as published, each file once. @throws BadInput if one of them names nothing */
export async function stagePublished(names: string[], { to, json }: StagePublishedOptions): Promise<void> {
  const sources = await publishedSources(names);
  const screen = terminal();
  await using session = await connectSession(screen);
  const all: Staged[] = [];
  for (const source of sources) {
    const destination = joinUri(to, publishedName(source));
    screen.step(`StageWeights: ${destination}`);
    const id = `StageWeights-${timestamp(new Date())}-${all.length + 1}`;
    const staged = await runToEnd<Staged>(session, 'StageWeights', id, { source, destination }, screen);
    screen.done(
      `${staged.uri}: ${staged.uploadedFiles === 0 ? 'was there' : `${staged.uploadedBytes} bytes`}`,
    );
    all.push(staged);
  }
  console.log(json ? JSON.stringify(all, null, 2) : all.map(({ uri }) => uri).join('\n'));
}

async function publishedSources(names: string[]): Promise<string[]> {
  const sources = new Set<string>();
  for (const name of names) {
    const configs = name in SUITES ? await suiteConfigs(name as Suite) : [name];
    for (const config of configs) {
      const { published } = await loadConfig(config);
      if (!published) throw new BadInput(`${config}: names no published weights`);
      sources.add(published.weights);
      if (published.head !== undefined) sources.add(published.head);
    }
  }
  return [...sources];
}
