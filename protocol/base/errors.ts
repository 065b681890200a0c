/**
 * The one error class of Towline, and every code it may carry.
 *
 * Two channels, never mixed: what ends an operation is thrown as a `TowError`; what concerns one path only is a
 * `Problem`, collected in the operation's result. Code never matches on a message, only on `code`.
 */

/** Every stable error code. Each has a heading in docs/errors.md and an exit code in controller/cli/exit-code.ts. */
export const errorCodes = [
  'usage',
  'invalid-task',
  'invalid-pool',
  'unknown-cluster',
  'unknown-pool',
  'unknown-job',
  'infra-mismatch',
  'workdir-missing',
  'nothing-to-sync',
  'mount-source-missing',
  'mount-destination-refused',
  'host-unreachable',
  'host-key-refused',
  'login-refused',
  'login-needs-terminal',
  'node-unsupported',
  'node-taken',
  'node-in-use',
  'agent-unreachable',
  'unauthenticated',
  'version-mismatch',
  'link-lost',
  'bad-message',
  'limit-exceeded',
  'no-space',
  'no-inodes',
  'permission-denied',
  'source-unstable',
  'source-changed',
  'partial-source',
  'delete-refused',
  'journal-damaged',
  'ledger-damaged',
  'chunk-mismatch',
  'setup-failed',
  'job-failed',
  'conflict-missing',
  'unknown-storage',
  'storage-mismatch',
  'bucket-missing',
  'bucket-taken',
  'object-missing',
  'object-changed',
  'object-corrupt',
  'unsafe-key',
  'store-forbidden',
  'store-throttled',
  'store-unreachable',
  'store-failed',
  'credentials-missing',
  'credentials-expired',
  'credentials-refused',
  'not-supported',
  'controller-failed',
  'controller-busy',
  'cancelled',
  'io',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface TowErrorOptions {
  /** What the user can do: a sentence or a command, without the `hint:` prefix. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
}

/** Ends an operation. `message` is lower-case, names the path and the numbers, and has no final period. */
export class TowError extends Error {
  static override readonly name = 'TowError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: TowErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TowError';
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}

/** One path that could not be handled; the operation went on without it. */
export interface Problem {
  /** Path relative to the root, byte-exact as latin1; '' is the root itself. */
  readonly path: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The errno name (`ENOENT`, `ENOSPC` …) of a Node system error, if it is one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code)
    ? error.code
    : undefined;
}

/** Wraps anything thrown into a `TowError`, keeping one that is one already and giving system errors a code by errno. */
export function toTowError(error: unknown, doing: string): TowError {
  if (error instanceof TowError) return error;
  const errno = errnoOf(error);
  const message = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
  if (errno === undefined) return new TowError('internal', message, { cause: error });
  return new TowError(codeOfErrno(errno), message, { cause: error });
}

/** The error code that a system call's errno stands for. ENOSPC is told apart from "no inodes" where statfs is at hand. */
export function codeOfErrno(errno: string): ErrorCode {
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'no-space';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'permission-denied';
    default:
      return 'io';
  }
}
