import * as v from 'valibot';
import { TowError } from '../../../protocol/base/errors.ts';
import type { ControlMaster } from './control-master.ts';
import { isPlain, runRemote } from './remote-command.ts';

/** What a node says of itself before anything of ours is on it. */
export interface NodeProbe {
  readonly arch: 'x64' | 'arm64';
  readonly home: string;
  /** Absolute path of a Node that is new enough; undefined if there is none. */
  readonly node: string | undefined;
  /** Of the files of the build that are there, by name. */
  readonly digests: ReadonlyMap<string, string>;
  /** glibc's version, as major and minor. */
  readonly glibc: readonly [number, number];
  /** Free on the home's file system; undefined where `df` does not say. */
  readonly freeBytes: number | undefined;
  readonly freeInodes: number | undefined;
}

/** What the probe looks for: a build, and the runtime that we would send. */
export interface ProbeOptions {
  readonly build: string;
  readonly runtimeVersion: string;
}

const begin = 'towline-probe-begin';
const end = 'towline-probe-end';
const timeoutMs = 20_000;

/**
 * Asks a node what it is. Login scripts may print what they like around the answer. Fails with `node-unsupported` on
 * anything but Linux on x64 or arm64 with glibc, with `host-unreachable` if there is no answer.
 */
export async function probeNode(
  master: ControlMaster,
  host: string,
  options: ProbeOptions,
  signal: AbortSignal,
): Promise<NodeProbe> {
  const result = await runRemote(master, 'exec sh -s', { input: probeScript(options), timeoutMs }, signal);
  if (!result.stdout.includes(end)) {
    throw new TowError('host-unreachable', `${host}: logged in, but its shell gave no answer`, {
      hint: 'the account needs a shell that runs commands (not nologin or a menu)',
      cause: new Error(result.stderr.trim().slice(0, 500) || `ssh ended with code ${result.code ?? 'none'}`),
      retryable: result.timedOut,
    });
  }
  return parseProbe(result.stdout, host);
}

/** The script, for a POSIX shell. Every line of the answer is `key value`. */
export function probeScript(options: ProbeOptions): string {
  return `export LC_ALL=C
say() { printf '%s %s\\n' "$1" "$2"; }
echo; echo ${begin}
say system "$(uname -s)"
say machine "$(uname -m)"
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
say home "$(cd && pwd -P)"
cd || exit 1
for node in "$(command -v node)" /usr/local/bin/node /usr/bin/node "$PWD/.towline/agent/node/${options.runtimeVersion}/bin/node"; do
  [ -x "$node" ] && say node "$("$node" --version 2>/dev/null) $node"
done
for file in agent.mjs koffi.node sdk-aws.mjs sdk-google.mjs; do
  path=".towline/agent/builds/${options.build}/$file"
  [ -f "$path" ] && say file "$file $(sha256sum <"$path")"
done
say blocks "$(df -Pk . 2>/dev/null | tail -n 1)"
say inodes "$(df -Pi . 2>/dev/null | tail -n 1)"
echo ${end}
`;
}

const answerSchema = v.object({
  system: v.string(),
  machine: v.string(),
  glibc: v.string(),
  home: v.pipe(v.string(), v.startsWith('/'), v.maxLength(1024)),
});

/** The probe's answer out of everything the login printed. */
export function parseProbe(stdout: string, host: string): NodeProbe {
  const answer = stdout.slice(stdout.lastIndexOf(begin), stdout.lastIndexOf(end)).split('\n');
  const pairs = answer.slice(1, -1).map((line): readonly [string, string] => {
    const space = line.indexOf(' ');
    return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1).trim()];
  });
  const parsed = v.safeParse(answerSchema, Object.fromEntries(pairs));
  if (!parsed.success) throw new TowError('host-unreachable', `${host}: its shell gave an answer that makes no sense`);
  const { system, machine, glibc, home } = parsed.output;
  const valuesOf = (key: string): readonly string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  return {
    arch: archOf(system, machine, host),
    home: checkHome(home, host),
    node: valuesOf('node')
      .map(usableNode)
      .find((path) => path !== undefined),
    digests: new Map(valuesOf('file').map(digestOf)),
    glibc: glibcOf(glibc, host),
    freeBytes: availableOf(valuesOf('blocks'), 1024),
    freeInodes: availableOf(valuesOf('inodes'), 1),
  };
}

function unsupported(host: string, what: string): TowError {
  return new TowError('node-unsupported', `${host}: ${what}`, {
    hint: 'nodes are Linux on x64 or arm64 with glibc (not Alpine, not macOS)',
  });
}

function archOf(system: string, machine: string, host: string): 'x64' | 'arm64' {
  if (system === 'Linux' && machine === 'x86_64') return 'x64';
  if (system === 'Linux' && machine === 'aarch64') return 'arm64';
  throw unsupported(host, `it is ${system} on ${machine}`);
}

function glibcOf(text: string, host: string): readonly [number, number] {
  const match = /^glibc (\d+)\.(\d+)/.exec(text);
  if (match === null) throw unsupported(host, 'it has no glibc');
  return [Number(match[1]), Number(match[2])];
}

/** Sockets and remote commands name paths below the home: it must be short and plain. */
function checkHome(home: string, host: string): string {
  const maxBytes = 50;
  if (isPlain(home) && Buffer.byteLength(home) <= maxBytes && !home.includes(':')) return home;
  throw new TowError('node-unsupported', `${host}: the home directory ${JSON.stringify(home)} cannot be used`, {
    hint: `it must have at most ${maxBytes} bytes, of letters, digits and _ . / + @ = -`,
  });
}

/** `v22.1.0 /usr/bin/node` → its path, if it is 20.19 or newer and the path goes through any shell. */
function usableNode(text: string): string | undefined {
  const match = /^v(\d+)\.(\d+)\.\d+\S* (\/\S+)$/.exec(text);
  if (match === null) return undefined;
  const [major, minor, path] = [Number(match[1]), Number(match[2]), match[3] ?? ''];
  return (major > 20 || (major === 20 && minor >= 19)) && isPlain(path) ? path : undefined;
}

/** `agent.mjs 0123…  -` → name and digest. */
function digestOf(text: string): readonly [string, string] {
  const [name, digest] = text.split(/\s+/);
  return [name ?? '', digest ?? ''];
}

/** The fourth column of a line of `df -P`; btrfs counts no inodes and says 0 of 0. */
function availableOf(lines: readonly string[], unit: number): number | undefined {
  const columns = lines[0]?.split(/\s+/) ?? [];
  const available = Number(columns[3]);
  return columns[1] !== '0' && columns[3] !== undefined && Number.isSafeInteger(available)
    ? available * unit
    : undefined;
}
