import { execFileSync } from 'node:child_process';
import { gateway } from './gateway.ts';

/** Another's client for S3, as a judge of what lies in a bucket of the gateway. */
export function s3cmd(...args: readonly string[]): string {
  return run(args).toString();
}

/** Key, size and MD5 (of objects that came at once) of every object. */
export function objectsOf(bucket: string): Map<string, { readonly size: number; readonly md5: string }> {
  const lines = s3cmd('ls', '--recursive', '--list-md5', `s3://${bucket}`)
    .split('\n')
    .map((line) => /^\S+ \S+ +(\d+) +(\S+) +s3:\/\/[^/]+\/(.*)$/.exec(line))
    .filter((match) => match !== null);
  return new Map(lines.map(([, size, md5 = '', key = '']) => [key, { size: Number(size), md5 }]));
}

export function hasBucket(bucket: string): boolean {
  return s3cmd('ls').includes(` s3://${bucket}\n`);
}

export function bytesIn(bucket: string, key: string): Buffer {
  return run(['--quiet', 'get', `s3://${bucket}/${key}`, '-']);
}

function run(args: readonly string[]): Buffer {
  const host = gateway.endpoint.replace(/^https?:\/\//, '');
  const own = [`--access_key=${gateway.accessKeyId}`, `--secret_key=${gateway.secretAccessKey}`, `--host=${host}`];
  const plain = ['--config=/dev/null', ...own, `--host-bucket=${host}`, '--no-ssl', '--no-progress'];
  return execFileSync('s3cmd', [...plain, ...args], { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 << 20 });
}
