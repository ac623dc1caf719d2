import { describe, expect, test } from 'vitest';
import { networkFailure } from '../../core/network-failure.ts';
import { s3Failure } from '../../core/s3/failure.ts';

function error(code: string, message = 'words'): Error {
  return Object.assign(new Error(message), { code });
}

describe('an error of the network', () => {
  test.each([
    ['ENOTFOUND', 'BadInput', /no such host/],
    ['CERT_HAS_EXPIRED', 'BadInput', /not valid at this time/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'BadInput', /NODE_EXTRA_CA_CERTS/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'BadInput', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'BadInput', /NODE_EXTRA_CA_CERTS/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'BadInput', /another host name/],
    ['EPROTO', 'BadInput', /does not speak TLS/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'BadInput', /does not speak TLS/],
    ['HPE_INVALID_CONSTANT', 'BadInput', /does not speak HTTP/],
    ['EAI_AGAIN', 'Unavailable', /no server answers/],
    ['ECONNREFUSED', 'Unavailable', /no server answers/],
    ['ETIMEDOUT', 'Unavailable', /no server answers/],
    ['ECONNRESET', 'Unavailable', /connection was lost/],
  ])('%s is %s', (code, failureClass, says) => {
    const failure = networkFailure('s3://b/k', error(code));
    expect(failure).toMatchObject({ failureClass, message: expect.stringMatching(says) });
    expect(failure!.message).toMatch(new RegExp(`^s3://b/k: .* \\(${code}: words\\)$`));
  });

  test('is found behind others, and as the first of several addresses', () => {
    const cause = new TypeError('fetch failed', { cause: error('ENOTFOUND') });
    expect(networkFailure('x', cause)?.failureClass).toBe('BadInput');
    const several = Object.assign(new AggregateError([error('ECONNREFUSED', 'at ::1')], ''), {
      code: 'ECONNREFUSED',
    });
    expect(networkFailure('x', several)?.message).toContain('(ECONNREFUSED: at ::1)');
  });

  test('is none where it has no such code', () => {
    expect(networkFailure('x', new Error('other'))).toBe(null);
    expect(networkFailure('x', error('ENOSPC'))).toBe(null);
  });
});

test('what has answered before is away for now: neither its name nor the credentials are wrong', () => {
  const asked = { uri: 's3://b/k', endpoint: 'http://s3:7070', region: 'us-east-1' };
  const noKeys = Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
  for (const cause of [error('ENOTFOUND'), noKeys]) {
    expect(s3Failure(cause, { ...asked, hasAnswered: false }).failureClass).toBe('BadInput');
    expect(s3Failure(cause, { ...asked, hasAnswered: true }).failureClass).toBe('Unavailable');
  }
});
