import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { EXIT_CODES } from '../../cli/exit-codes.ts';
import { tesseraProgram } from '../../cli/program.ts';
import { FAILURE_CLASSES, REACTIONS } from '../../core/config/failures.ts';
import { REMEDIES } from '../../core/config/remedies.ts';
import { PACKAGE } from '../../workers/environment.ts';
import { type SetBy, VARIABLES } from '../../workers/variables.ts';
import { type Literal, literalsOf } from './comments.ts';
import { fieldsOf, type Known } from './fields.ts';
import { SCHEMA_PAGES, SCHEMA_SOURCES, type SchemaPage } from './schemas.ts';

const MADE =
  '<!-- Made by `npm run docs`. Change what it is made from: schemas, their comments, commands, tables. -->';

/** The reference's pages by their file names in docs/reference. */
export function referencePages(): Map<string, string> {
  const literals = SCHEMA_SOURCES.flatMap(literalsOfFolder);
  const pages = new Map(SCHEMA_PAGES.map((page) => [page.file, schemaPage(page, literals)]));
  pages.set('commands.md', commandsPage());
  pages.set('environment.md', environmentPage());
  pages.set('exit-codes.md', exitCodesPage());
  pages.set('failures.md', failuresPage());
  pages.set('README.md', indexPage());
  return pages;
}

function literalsOfFolder(folder: string): Literal[] {
  const files = readdirSync(path.join(PACKAGE, folder)).filter((file) => file.endsWith('.ts'));
  return files.flatMap((file) => literalsOf(readFileSync(path.join(PACKAGE, folder, file), 'utf8')));
}

function indexPage(): string {
  const links = [
    ...SCHEMA_PAGES.map(({ file, title, documents }) => [
      `[${title}](${file})`,
      documents.map((document) => document.title).join(', '),
    ]),
    ['[Commands](commands.md)', 'every command with its arguments and options'],
    ['[Environment variables](environment.md)', 'every `TESSERA_*`'],
    ['[Exit codes](exit-codes.md)', 'of the `tessera` command'],
    ['[Failure classes](failures.md)', 'what a run does about each, and what you can do'],
  ];
  const intro = 'Made from the code by `npm run docs`; a test fails when it is stale.';
  return page('Reference', intro, table(['page', 'holds'], links));
}

function schemaPage({ title, intro, io, documents }: SchemaPage, literals: Literal[]): string {
  const known: Known[] = SCHEMA_PAGES.flatMap(({ file, documents }) =>
    documents.map((other) => ({
      schema: other.schema,
      link: `[${other.title}](${file}#${anchor(other.title)})`,
    })),
  );
  const sections = documents.map((document) => {
    const fields = fieldsOf(document.schema, io, literals, known);
    const rows = fields.map((field) => [`\`${field.path}\``, field.type, field.presence, field.comment]);
    return section(document.title, document.intro, table(['field', 'type', 'presence', 'meaning'], rows));
  });
  return page(title, intro, ...sections);
}

/** As GitHub makes it of a heading. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function commandsPage(): string {
  const program = tesseraProgram();
  const commands = program.commands.flatMap((command) => leaves(command, program.name()));
  const intro = 'As `tessera COMMAND --help` prints it. [Exit codes](exit-codes.md), [JSON](json.md).';
  return page('Commands', intro, ...commands.map(({ name, command }) => commandSection(name, command)));
}

function leaves(command: Command, above: string): { name: string; command: Command }[] {
  const name = `${above} ${command.name()}`;
  if (command.name() === 'complete') return []; // What the shell calls.
  if (command.commands.length === 0) return [{ name, command }];
  // Some do something by themselves as well.
  const own = command.registeredArguments.length > 0 ? [{ name, command }] : [];
  return [...own, ...command.commands.flatMap((one) => leaves(one, name))];
}

function commandSection(name: string, command: Command): string {
  const usage = ['```', `${name} ${command.usage().replace('[options] [command]', '[options]')}`, '```'].join(
    '\n',
  );
  const rows = [
    ...command.registeredArguments.map((argument) => [`\`${argument.name()}\``, argumentText(argument)]),
    ...command.options.map((option) => [`\`${option.flags}\``, optionText(option)]),
  ];
  return section(
    name,
    [sentence(command.description()), usage].join('\n\n'),
    rows.length > 0 ? table(['argument, option', 'meaning'], rows) : '',
  );
}

function argumentText({ description, argChoices }: Argument): string {
  return [description, argChoices && `One of ${argChoices.join(', ')}.`].filter(Boolean).join(' ');
}

function optionText({ description, defaultValue, mandatory, argChoices, negate }: Option): string {
  const isShown = defaultValue !== undefined && !negate && typeof defaultValue !== 'boolean';
  return [
    description,
    argChoices && `(${argChoices.join(', ')})`,
    isShown && `(default: ${defaultValue})`,
    mandatory && '(required)',
  ]
    .filter(Boolean)
    .join(' ');
}

function environmentPage(): string {
  const groups: [SetBy, string][] = [
    ['you', 'Set by you'],
    ['the manifests', 'Set by the manifests in k8s/'],
    ['Tessera', 'Set by Tessera itself'],
    ['developers', "For Tessera's developers"],
  ];
  const sections = groups.map(([setBy, title]) => {
    const rows = VARIABLES.filter((one) => one.setBy === setBy).map((one) => [
      `\`${one.name}\``,
      one.means,
      one.default,
      one.readBy,
    ]);
    return section(title, '', table(['variable', 'means', 'default', 'read by'], rows));
  });
  const intro =
    "Temporal is found by Temporal's own variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, " +
    "`TEMPORAL_TLS_…`, `TEMPORAL_CONFIG_FILE`), S3 by AWS's (`AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `AWS_PROFILE`, keys), " +
    'Kubernetes by `KUBECONFIG`. `OTEL_EXPORTER_OTLP_ENDPOINT` switches traces on ([observability](../observability.md)), ' +
    '`NO_COLOR` switches colours off.';
  return page('Environment variables', intro, ...sections);
}

function exitCodesPage(): string {
  const rows = EXIT_CODES.toSorted((a, b) => a.code - b.code).map(({ code, name, means }) => [
    `${code}`,
    `\`${name}\``,
    means,
  ]);
  const intro =
    'Of the `tessera` command. A code never changes its meaning. Control workers and GPU workers end with 64 for a wrong setting.';
  return page('Exit codes', intro, table(['code', 'name', 'means'], rows));
}

function failuresPage(): string {
  const rows = FAILURE_CLASSES.map((name) => {
    const { means, reaction } = REACTIONS[name];
    return [`\`${name}\``, means, reaction.does, REMEDIES[name].replaceAll('<id>', 'ID')];
  });
  const intro =
    'The class of a failure says how a run reacts. `tessera why ID` prints class, sentence, cause and remedy.';
  return page('Failure classes', intro, table(['class', 'means', 'a shard is', 'what to do'], rows));
}

function page(title: string, ...parts: string[]): string {
  return `${[`# ${title}`, MADE, ...parts].filter(Boolean).join('\n\n')}\n`;
}

function section(title: string, ...parts: string[]): string {
  return [`## ${title}`, ...parts].filter(Boolean).join('\n\n');
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Angle brackets stay in code, and would be HTML elsewhere. */
function cell(text: string): string {
  const parts = text.replaceAll('|', '\\|').split(/(`[^`]*`)/);
  return parts.map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;'))).join('');
}

function sentence(text: string): string {
  return text === '' ? '' : `${text[0]!.toUpperCase()}${text.slice(1)}${/[.?!)]$/.test(text) ? '' : '.'}`;
}
