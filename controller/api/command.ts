/**
 * What the CLI sends the daemon: one command with everything the daemon may not read from its own surroundings.
 * The CLI parses the command line (so a usage error needs no daemon); the daemon resolves paths against `cwd`.
 */

/** Options that tasks take on the command line, common to launch, exec and push. */
export interface TaskOptions {
  /** Path of a task file, or the command to run, as it stood on the line; undefined when neither was given. */
  readonly entry: string | undefined;
  readonly workdir: string | undefined;
  readonly noWorkdir: boolean;
  /** `K=V`, or `K` to take it from `env`. */
  readonly env: readonly string[];
  readonly envFile: string | undefined;
  readonly secret: readonly string[];
  readonly verify: boolean;
  readonly allowPartial: boolean;
  readonly allowDelete: boolean;
}

export type Command =
  | {
      readonly command: 'launch';
      readonly cluster: string;
      readonly infra: string | undefined;
      readonly numNodes: number | undefined;
      readonly task: TaskOptions;
      readonly detach: boolean;
      readonly noSetup: boolean;
      readonly dryrun: boolean;
      readonly takeOver: boolean;
      /** URI of the place in a bucket that chunks go through. */
      readonly via: string | undefined;
    }
  | {
      readonly command: 'exec';
      readonly cluster: string;
      readonly task: TaskOptions;
      readonly fileMounts: boolean;
      readonly detach: boolean;
      readonly dryrun: boolean;
    }
  | {
      readonly command: 'push';
      readonly cluster: string;
      readonly task: TaskOptions;
      readonly fileMounts: boolean;
      readonly dryrun: boolean;
    }
  | {
      readonly command: 'logs';
      readonly cluster: string;
      readonly job: string | undefined;
      readonly status: boolean;
      readonly follow: boolean;
      readonly tail: number;
    }
  | { readonly command: 'cancel'; readonly cluster: string; readonly jobs: readonly string[]; readonly all: boolean }
  | { readonly command: 'status' }
  | { readonly command: 'down'; readonly cluster: string; readonly purge: boolean }
  | { readonly command: 'pool-ls' }
  | {
      readonly command: 'pool-add';
      readonly pool: string;
      readonly hosts: readonly string[];
      readonly user: string | undefined;
      readonly identityFile: string | undefined;
      readonly port: number | undefined;
    }
  | { readonly command: 'conflicts-ls'; readonly cluster: string }
  | { readonly command: 'conflicts-restore'; readonly cluster: string; readonly ids: readonly string[] }
  | {
      readonly command: 'conflicts-prune';
      readonly cluster: string;
      readonly ids: readonly string[];
      readonly all: boolean;
    }
  | { readonly command: 'storage-ls' }
  | { readonly command: 'storage-delete'; readonly names: readonly string[]; readonly all: boolean }
  | { readonly command: 'ls-files'; readonly directory: string | undefined; readonly explain: string | undefined }
  | { readonly command: 'check'; readonly cluster: string | undefined }
  /** What `--via` put there: removes what no snapshot of the last days needs. */
  | { readonly command: 'storage-gc'; readonly uri: string; readonly days: number }
  | { readonly command: 'stop' };

/** First line on the socket, CLI to daemon. */
export interface ApiRequest {
  readonly type: 'request';
  /** Build of the CLI; a daemon of another build hands over (see daemon/replace.ts). */
  readonly build: string;
  readonly cwd: string;
  /** Only the variables that matter: SSH_AUTH_SOCK, AWS_*, GOOGLE_*, *_PROXY, PATH, HOME, XDG_CONFIG_HOME, and those `--env K` names. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the CLI can run `ssh` on a terminal for a login. */
  readonly interactive: boolean;
  readonly command: Command;
}

/** Later lines, CLI to daemon. `interrupt` is Ctrl-C. */
export type ApiInput =
  | ApiRequest
  | { readonly type: 'interrupt' }
  | { readonly type: 'login-done'; readonly code: number };
