import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

/** Packages of OpenTelemetry that a process has loaded after asking for traces with these variables. */
function loaded(env: Record<string, string>): string[] {
  const build = process.env.TESSERA_BUILD;
  if (!build) throw new Error('vitest.config.ts sets TESSERA_BUILD');
  const file = pathToFileURL(path.join(build, 'workers/tracing.js')).href;
  const program = `
    const { openTracing } = await import(${JSON.stringify(file)});
    const tracing = await openTracing('test', ${JSON.stringify(env)});
    const { _cache } = (await import('node:module')).default;
    const names = Object.keys(_cache).map((name) => /node_modules\\/(@opentelemetry\\/[^/]+)/.exec(name)?.[1]);
    console.log(JSON.stringify({ isOn: tracing !== null, names: [...new Set(names.filter(Boolean))] }));
    process.exit(0);`;
  const { isOn, names } = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', program]).toString(),
  );
  expect(isOn).toBe(names.length > 0);
  return names;
}

test('nothing of OpenTelemetry is loaded unless an endpoint is named', () => {
  expect(loaded({})).toEqual([]);
  expect(loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' })).toEqual(
    [],
  );
  expect(loaded({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1' })).toContain(
    '@opentelemetry/sdk-trace-base',
  );
});
