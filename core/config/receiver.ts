import { z } from 'zod';

/* Addresses that a run sends to: in a config only without credentials, else by name of a control worker's variable. */

/** Hosts whose addresses are secrets themselves. */
const SECRET_HOSTS = [
  'hooks.slack.com',
  'discord.com',
  'discordapp.com',
  'webhook.office.com',
  'logic.azure.com',
  'chat.googleapis.com',
  'hooks.zapier.com',
  'maker.ifttt.com',
  'api.telegram.org',
];
const SECRET_PARAMETERS = /^(access_?)?(token|key|api_?key|secret|sig|signature|code|password|auth)$/i;

/** An address without credentials: what is written there is in Temporal's history and in the results. */
export function openAddress(remedy: string) {
  return z.string().superRefine((text, context) => {
    const message = addressProblem(text, remedy);
    if (message) context.addIssue({ code: 'custom', message });
  });
}

/** The name of a control worker's variable with an address; no variable without the prefix can be named. */
export function addressVariable(prefix: string) {
  return z.strictObject({
    env: z.string().regex(new RegExp(`^${prefix}[A-Z0-9_]+$`), `expected a name like ${prefix}URL`),
  });
}

/** Why an address may not be written into a config, without the address; null if it may. */
function addressProblem(text: string, remedy: string): string | null {
  const address = URL.canParse(text) ? new URL(text) : null;
  if (!address || !/^https?:$/.test(address.protocol)) return 'expected http://… or https://…';
  if (address.username || address.password)
    return `has credentials, which would be in the results: ${remedy}`;
  const host = SECRET_HOSTS.find(
    (name) => address.hostname === name || address.hostname.endsWith(`.${name}`),
  );
  if (host) return `addresses at ${host} are secrets, which would be in the results: ${remedy}`;
  const parameter = [...address.searchParams.keys()].find((name) => SECRET_PARAMETERS.test(name));
  if (parameter) return `has '${parameter}', which would be in the results: ${remedy}`;
  return null;
}
