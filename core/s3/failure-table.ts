import type { StoreAnswer } from './answer.ts';

/** What was asked for, and of whom. */
export interface Asked {
  uri: string;
  /** Null for AWS's own. */
  endpoint: string | null;
  region: string;
  /** Whether this client has had an answer before: then its settings are right, and what fails may pass. */
  hasAnswered: boolean;
}

export interface Row {
  /** S3's words; one that ends in `*` stands for all that begin so. */
  codes?: string[];
  /** For answers without a word of S3's, as HEAD has them, or with one that is not in this table. */
  statuses?: number[];
  /** What the store's own words must match, too. */
  says?: RegExp;
  class: 'BadInput' | 'BadData' | 'Unavailable';
  of?: 'bucket';
  what: string | ((answer: StoreAnswer) => string);
  /** What to do; empty where waiting is all. */
  remedy: string;
}

const KEYS = 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names';
const NO_CHECKSUMS =
  'set AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED for every worker if the store does not know checksum headers';

/** What stores answer, and what it means. The first row that fits counts. Tested row by row. */
export const ROWS: Row[] = [
  // Credentials
  {
    codes: ['ExpiredToken*', 'TokenRefreshRequired'],
    class: 'BadInput',
    what: 'access denied: the credentials have expired',
    remedy: 'get new ones (such as by aws sso login), and restart the workers that hold the old ones',
  },
  {
    codes: ['InvalidToken', 'InvalidClientTokenId', 'InvalidIdentityToken*', 'UnrecognizedClient*'],
    class: 'BadInput',
    what: 'access denied: the store does not accept the session token',
    remedy: 'set AWS_SESSION_TOKEN to the one that belongs to the keys, or unset it for keys without one',
  },
  {
    codes: ['InvalidAccessKeyId', 'InvalidSecurity'],
    class: 'BadInput',
    what: 'access denied: the store does not know the access key',
    remedy: `check ${KEYS}, and AWS_ENDPOINT_URL_S3`,
  },
  {
    codes: ['SignatureDoesNotMatch', 'InvalidSignatureException'],
    class: 'BadInput',
    what: 'access denied: the signature is wrong',
    remedy: `check ${KEYS}. If they are right, a proxy changes requests, or: ${NO_CHECKSUMS}`,
  },
  {
    codes: ['RequestTimeTooSkewed', 'RequestInTheFuture', 'RequestExpired'],
    class: 'BadInput',
    what: ({ clockSkewMinutes: minutes }) =>
      `the clocks of this machine and of the store differ by ${minutes === undefined ? 'too much' : `${minutes} minutes`}`,
    remedy: 'set the wrong one, such as by NTP',
  },
  // Keys of KMS, before what denies access in general
  {
    codes: ['KMS.Throttling*', 'KMS.KMSInternal*', 'KMS.DependencyTimeout*', 'KMS.KeyUnavailable*'],
    class: 'Unavailable',
    what: 'KMS does not answer for now',
    remedy: '',
  },
  {
    codes: ['KMS.*', 'KMSDisabled', 'KMSNotFound', 'KMSInvalidState'],
    class: 'BadInput',
    what: 'the KMS key of the object or bucket cannot be used',
    remedy: "enable the key, or choose another one in the bucket's encryption",
  },
  {
    codes: ['AccessDenied', 'AccessDeniedException', 'Forbidden'],
    says: /\bkms\b/i,
    class: 'BadInput',
    what: 'access denied: the KMS key is not allowed',
    remedy: "allow kms:Decrypt and kms:GenerateDataKey of the bucket's key to these credentials",
  },
  {
    codes: ['AccessDenied', 'Forbidden'],
    says: /multi-?factor|\bmfa\b/i,
    class: 'BadInput',
    what: "access denied: the bucket's policy asks for multi-factor authentication",
    remedy: 'use a session made with it (aws sts get-session-token --serial-number …)',
  },
  {
    codes: ['AccessDenied', 'Forbidden', 'InvalidPayer'],
    says: /requester.?pays/i,
    class: 'BadInput',
    of: 'bucket',
    what: 'access denied: a Requester Pays bucket, and Tessera does not send the agreement to pay',
    remedy: 'copy what is needed to a bucket of your own (aws s3 cp --request-payer requester …)',
  },
  {
    codes: ['AllAccessDisabled', 'AccountProblem', 'NotSignedUp', 'InvalidPayer'],
    class: 'BadInput',
    of: 'bucket',
    what: 'access denied: the account of the bucket or of the credentials is locked',
    remedy: 'ask who runs the store',
  },
  // Objects
  {
    codes: ['InvalidObjectState'],
    class: 'BadInput',
    what: ({ storageClass }) =>
      `archived${storageClass ? ` (storage class ${storageClass})` : ''}, and cannot be read`,
    remedy: 'restore it (aws s3api restore-object …), or copy it to a storage class that can be read',
  },
  {
    codes: ['NoSuchVersion'],
    class: 'BadData',
    what: 'the version that the run was planned with does not exist',
    remedy: 'start the run again, so that it plans with what is there now',
  },
  {
    codes: ['InvalidRange'],
    class: 'BadData',
    what: 'shorter than its manifest says: truncated?',
    remedy: 'stage it again',
  },
  {
    codes: ['EntityTooLarge', 'EntityTooSmall', 'MaxMessageLengthExceeded'],
    class: 'BadInput',
    what: 'the store does not take an object or part of this size',
    remedy: 'raise its limit (of a proxy before it, too)',
  },
  {
    codes: ['InvalidBucketName', 'InvalidURI', 'KeyTooLongError', 'XMinioInvalidObjectName'],
    class: 'BadInput',
    what: 'not a name that the store takes',
    remedy:
      "expected s3://bucket/key, the bucket's name of 3 to 63 lower-case letters, digits, dots and hyphens",
  },
  // Where there is no room
  {
    codes: ['QuotaExceeded*', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded', 'InsufficientStorage*'],
    class: 'BadInput',
    of: 'bucket',
    what: "the store is full, or the bucket's quota is reached",
    remedy: 'make room there, or raise the quota; then start again',
  },
  {
    statuses: [507],
    class: 'BadInput',
    of: 'bucket',
    what: "the store is full, or the bucket's quota is reached",
    remedy: 'make room there, or raise the quota; then start again',
  },
  // What may pass
  {
    codes: ['SlowDown*', 'RequestLimitExceeded', 'Throttling*', 'ThrottledException', 'TooManyRequests*'],
    class: 'Unavailable',
    what: 'the store is busy, and asks for fewer requests',
    remedy: '',
  },
  { statuses: [503], class: 'Unavailable', what: 'the store is busy or away', remedy: '' },
  {
    statuses: [429],
    class: 'Unavailable',
    what: 'the store is busy, and asks for fewer requests',
    remedy: '',
  },
  {
    codes: ['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch'],
    class: 'Unavailable',
    what: 'the bytes that came are not those that were sent',
    remedy: `if that repeats, a proxy changes them, or: ${NO_CHECKSUMS}`,
  },
  {
    codes: ['ConditionalRequestConflict', 'OperationAborted', 'PreconditionFailed'],
    class: 'Unavailable',
    what: 'another writer was at work on it',
    remedy: '',
  },
  {
    codes: ['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder'],
    class: 'Unavailable',
    what: 'the upload in parts was ended meanwhile',
    remedy: 'it begins anew; if that repeats, look for a lifecycle rule that aborts uploads too early',
  },
  {
    codes: ['TemporaryRedirect'],
    class: 'Unavailable',
    of: 'bucket',
    what: 'the bucket is so new that it does not answer at its address yet',
    remedy: '',
  },
  {
    codes: ['InternalError', 'ServiceUnavailable', 'RequestTimeout', 'IncompleteBody', 'Busy', 'ServerBusy'],
    class: 'Unavailable',
    what: 'S3 did not answer as it should',
    remedy: '',
  },
  // What the store can't do
  {
    codes: [
      'NotImplemented',
      'MethodNotAllowed',
      'MissingContentLength',
      'InvalidRequest',
      'InvalidArgument',
    ],
    says: /checksum|trailer|aws-chunked|x-amz-(sdk|decoded)/i,
    class: 'BadInput',
    what: "the store does not know the SDK's checksums",
    remedy: 'set AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED for every worker',
  },
  {
    codes: ['NotImplemented'],
    class: 'BadInput',
    what: 'the store does not know this operation, or a header of it',
    remedy: `${NO_CHECKSUMS}, and TESSERA_S3_CONDITIONAL_WRITES=off if it does not know If-None-Match`,
  },
  {
    statuses: [501],
    class: 'BadInput',
    what: 'the store does not know this operation, or a header of it',
    remedy: `${NO_CHECKSUMS}, and TESSERA_S3_CONDITIONAL_WRITES=off if it does not know If-None-Match`,
  },
  // By the status alone
  {
    statuses: [401, 403],
    class: 'BadInput',
    what: 'access denied',
    remedy:
      "check the credentials and the bucket's policy; without s3:ListBucket, S3 also says this of what does not exist",
  },
  {
    statuses: [408, 409, 412, 425],
    class: 'Unavailable',
    what: 'S3 did not answer as it should',
    remedy: '',
  },
];
