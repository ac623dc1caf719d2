import { BadInput } from '../config/failures.ts';
import { firstOpset } from './operators.ts';
import type { OnnxModel, OperatorUse } from './read-model.ts';

/** What ONNX Runtime 1.30 opens, as measured on it. */
const MAX_OPSET = 26;
const MIN_OPSET = 7;
const MAX_IR_VERSION = 13;
/** Without a seed, or of a model that was exported while it trained: predictions would differ from run to run. */
const RANDOM = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);
/** A location in a model: a path below the model's folder, by plain names. */
const PLAIN_PATH = /^[^/\\:*?"<>|\0]+(\/[^/\\:*?"<>|\0]+)*$/;

/**
 * Checks that a model can be run here, and runs no code but ONNX's own operators.
 *
 * @param name of its file, for messages
 * @throws BadInput with a sentence for each problem
 */
export function checkOnnxModel(model: OnnxModel, name: string): void {
  const problems = [...versionProblems(model), ...operatorProblems(model), ...locationProblems(model)];
  if (problems.length > 0) throw new BadInput(problems.map((problem) => `${name}: ${problem}`).join('\n'));
}

/**
 * Checks the files beside a model.
 *
 * @param sizes of those that are there, bytes by the model's own names of them
 * @throws BadInput if one is missing, or too short
 */
export function checkExternalFiles(
  { externalFiles }: OnnxModel,
  sizes: ReadonlyMap<string, number>,
  name: string,
): void {
  const problems = externalFiles.flatMap(({ location, endBytes }) => {
    const size = sizes.get(location);
    if (size === undefined) return [`keeps weights in ${location}, which is not beside it`];
    return size < endBytes ? [`reads ${location} up to byte ${endBytes}, but it has ${size}`] : [];
  });
  if (problems.length > 0) throw new BadInput(problems.map((problem) => `${name}: ${problem}`).join('\n'));
}

function versionProblems({ irVersion, opsets, isTraining }: OnnxModel): string[] {
  const opset = opsets.get('');
  const problems: string[] = [];
  if (irVersion > MAX_IR_VERSION)
    problems.push(
      `IR version ${irVersion}, but ONNX Runtime reads up to ${MAX_IR_VERSION}: export it with an earlier onnx package`,
    );
  if (opset === undefined) problems.push("imports no opset of ONNX's own operators");
  else if (opset > MAX_OPSET || opset < MIN_OPSET)
    problems.push(
      `opset ${opset}, but ONNX Runtime reads ${MIN_OPSET} to ${MAX_OPSET}: export it with another opset_version`,
    );
  if (isTraining) problems.push('holds a training; export the model for inference');
  return problems;
}

function operatorProblems({ operators, functions, opsets }: OnnxModel): string[] {
  const called = operators.filter(({ domain, name }) => !functions.has(`${domain}::${name}`));
  const custom = [...new Set(called.filter(({ domain }) => domain !== '').map(fullName))];
  // Whether an operator is there depends on an opset that is.
  const isKnown = opsets.has('');
  const unknown = called.filter(({ domain, name, opset }) => {
    const first = firstOpset(name);
    return isKnown && domain === '' && (first === undefined || first > (opset ?? 0));
  });
  const random = called.filter(({ domain, name }) => domain === '' && RANDOM.has(name));
  const problems: string[] = [];
  if (custom.length > 0)
    problems.push(
      `calls ${listOf(custom)}, which are not ONNX's own operators: export it without custom operators and without ONNX Runtime's own optimisations`,
    );
  for (const { name, opset } of unknown) {
    const first = firstOpset(name);
    problems.push(
      first === undefined
        ? `calls ${name}, which is no operator of ONNX`
        : `calls ${name} in opset ${opset}, but it is there from opset ${first} on`,
    );
  }
  if (random.length > 0)
    problems.push(
      `calls ${listOf(random.map(({ name }) => name))}, which draws at random: predictions would differ from run to run`,
    );
  return problems;
}

function locationProblems({ externalFiles }: OnnxModel): string[] {
  return externalFiles
    .filter(({ location }) => !isBelow(location))
    .map(
      ({ location }) =>
        `keeps weights in '${location.slice(0, 200)}'; expected a file beside the model or in a folder below it`,
    );
}

function isBelow(location: string): boolean {
  return PLAIN_PATH.test(location) && location.split('/').every((part) => part !== '.' && part !== '..');
}

function fullName({ domain, name }: OperatorUse): string {
  return `${domain}::${name}`;
}

/** Names that a message shows before it only counts. */
const SHOWN = 5;

function listOf(names: string[]): string {
  const unique = [...new Set(names)];
  const more = unique.length > SHOWN ? ` and ${unique.length - SHOWN} more` : '';
  return `${unique.slice(0, SHOWN).join(', ')}${more}`;
}
