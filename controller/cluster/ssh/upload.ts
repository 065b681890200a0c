import type { Readable } from 'node:stream';
import { TowError } from '../../../protocol/base/errors.ts';
import type { ControlMaster } from './control-master.ts';
import { remoteCommand, runRemote } from './remote-command.ts';
import type { ProcessResult } from './run-process.ts';

/** A file to be put on a node. */
export interface UploadFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly mode: '600' | '700';
  /** Its contents, as gzip. */
  open(): Readable;
}

const timeoutMs = 600_000;
const digestDiffers = 41;

const script = [
  'umask 077; f="$HOME/$1/.$2.$3"; mkdir -p "$HOME/$1" && gzip -dc > "$f" || { rm -f "$f"; exit 40; }',
  's=$(sha256sum < "$f"); [ "${s%% *}" = "$4" ] || { rm -f "$f"; exit 41; }',
  'chmod "$5" "$f"; sync "$f" 2>/dev/null; exit 0',
].join('; ');

/**
 * Puts files beside their place in `dir` (relative to the home), checked, as `.NAME.TOKEN`; whoever asked renames them.
 * Fails with `no-space`, `permission-denied`, `chunk-mismatch` (what arrived is not what was sent), or `link-lost`.
 */
export async function uploadFiles(
  master: ControlMaster,
  host: string,
  target: { readonly dir: string; readonly token: string },
  files: readonly UploadFile[],
  signal: AbortSignal,
): Promise<void> {
  const results = await Promise.all(
    files.map(async (file) => {
      const command = remoteCommand(`export LC_ALL=C; ${script}`, [
        target.dir,
        file.name,
        target.token,
        file.sha256,
        file.mode,
      ]);
      return { file, result: await runRemote(master, command, { input: file.open(), timeoutMs }, signal) };
    }),
  );
  for (const { file, result } of results) {
    if (result.code !== 0) throw uploadError(host, `~/${target.dir}/${file.name}`, file.bytes, result);
  }
}

function uploadError(host: string, path: string, bytes: number, result: ProcessResult): TowError {
  const cause = new Error(result.stderr.trim().slice(-500) || `ssh ended with code ${result.code ?? 'none'}`);
  const what = `${host}: cannot write ${path} (${bytes} bytes)`;
  if (/No space left|Disk quota exceeded/.test(result.stderr)) {
    return new TowError('no-space', `${what}: no space left`, { cause, hint: 'make room in the home there' });
  }
  if (/Permission denied|Read-only file system/.test(result.stderr)) {
    return new TowError('permission-denied', what, { cause, hint: 'the account must be able to write to its home' });
  }
  if (result.code === digestDiffers) {
    return new TowError('chunk-mismatch', `${what}: what arrived is not what was sent`, { cause, retryable: true });
  }
  if (result.code === 40) return new TowError('io', what, { cause });
  return new TowError('link-lost', what, { cause, retryable: true });
}
