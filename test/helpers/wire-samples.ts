/** One of every message there is, with every field set: what the golden fixtures are made of. */
import type * as v from 'valibot';
import { encodeControlFrame } from '../../protocol/link/frame.ts';
import { buildMac, proofMac } from '../../protocol/link/proof.ts';
import { encodeMessage } from '../../protocol/wire/codec.ts';
import type { HeadMethods } from '../../protocol/wire/copied.ts';
import type { Envelope } from '../../protocol/wire/envelope.ts';
import { type HandshakeMessage, nonceBytes } from '../../protocol/wire/hello.ts';
import type { MethodTable } from '../../protocol/wire/method.ts';
import type { AgentMethods, ControllerMethods } from '../../protocol/wire/methods.ts';
import { type ErrorBody, wireBytes } from '../../protocol/wire/schema.ts';
import { encodeDataFrame } from './data-frame.ts';

export type MethodSamples<T extends MethodTable> = {
  readonly [N in keyof T]: {
    readonly params: v.InferInput<T[N]['params']>;
    readonly result: v.InferInput<T[N]['result']>;
    readonly event?: v.InferInput<T[N]['event']>;
  };
};

const digest = Buffer.from(Array.from({ length: 32 }, (_, at) => at * 8));
/** A path that is no UTF-8. */
const path = wireBytes('src/na\xffme\n.ts');
const dest = wireBytes('~/sky_workdir');
const running = { state: 'running', pid: 4711 } as const;
const exited = { state: 'exited', pid: 4711, code: 137 } as const;
const error: ErrorBody = {
  code: 'no-space',
  message: '/data: 5 bytes are missing',
  hint: 'make room',
  causes: ['ENOSPC: write'],
  retryable: true,
};

const certificate = '-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n';
const access = {
  service: 's3',
  provider: 'other',
  bucket: 'datasets',
  region: 'eu-central-1',
  endpoint: 'https://s3.example.org',
  credentials: {
    type: 'keys',
    accessKeyId: 'AKIA',
    secretAccessKey: 'hush',
    sessionToken: 'now',
    expiresAt: 1_800_000_000_000,
  },
} as const;
const event = { phase: 'fetch', files: 1, totalFiles: 2, bytes: 3, totalBytes: 4 } as const;

export const agentSamples: MethodSamples<AgentMethods> = {
  'pull.advance': {
    params: { dest, offer: 'f-1f' },
    event: { files: 3, bytes: 2 ** 40 },
    result: { wanted: true, files: 3 },
  },
  'pull.early': {
    params: { dest, base: digest, path, from: wireBytes('models/a'), size: 2 ** 31, ranges: [0, 2 ** 20, 2 ** 30] },
    result: { wanted: true },
  },
  'copy.run': {
    params: {
      dest,
      access,
      offer: 'o-1f',
      prefix: 'images/träin',
      others: [dest],
      mayBeEmpty: false,
      allowDelete: true,
      verify: false,
      head: { keyId: 'h-1', secret: digest, certificate, address: 'fe80::1%eth0', port: 40_000 },
    },
    event,
    result: {
      files: 3,
      bytes: 2 ** 40,
      fetchedBytes: 7,
      headBytes: 5,
      headFailure: 'cannot dial 10.0.0.2:40000',
      placed: 1,
      removed: 2,
      conflicts: [{ id: 'copy-1', path, reason: 'changed' }],
      conflictCount: 20_000,
      leftOut: [path],
      problems: [{ path, code: 'unsafe-key', message: 'it has the name ..' }],
      problemCount: 1,
    },
  },
  'copy.serve': {
    params: {
      dest,
      source: 's3 aws  datasets images',
      key: {
        keyId: 'h-1',
        secret: digest,
        certificate,
        privateKey: certificate.replaceAll('CERTIFICATE', 'PRIVATE KEY'),
      },
    },
    event: { address: '10.0.0.2', port: 40_000 },
    result: {},
  },
  'node.info': {
    params: {},
    result: {
      hostname: 'héron',
      machineId: 'd41d8cd98f00',
      home: '/home/ann',
      address: '10.0.0.2',
      platform: 'linux',
      arch: 'x64',
      nodeVersion: 'v20.19.0',
      bootId: '0e2c',
      supervision: 'systemd',
      libc: true,
      gpus: 8,
    },
  },
  'node.stop': { params: { purge: true }, result: {} },
  'pull.run': {
    params: {
      dest,
      others: [dest],
      source: 'laptop:/home/ann/project',
      snapshot: 's-1f',
      digest,
      allowDelete: true,
      allowPartial: false,
      verify: true,
      ignored: [path],
      via: { offer: 'o-1f', prefix: 'team/träin', catalogue: digest },
    },
    event: { phase: 'fetch', files: 5, totalFiles: 78_600, bytes: 2 ** 31, totalBytes: 2 ** 40 },
    result: {
      digest,
      files: 78_600,
      bytes: 2 ** 40,
      fetchedBytes: 2 ** 33,
      sentBytes: 12_345,
      reusedBytes: 0,
      placed: 5,
      removed: 1,
      conflicts: [{ id: 'k-1', path, reason: 'changed' }],
      conflictCount: 1,
      leftOut: [path],
      problems: [{ path, code: 'permission-denied', message: 'cannot be read' }],
      problemCount: 1,
      via: { bytes: 2 ** 33, missedBytes: 7, damaged: [digest], noCatalogue: false, note: 'not for you' },
    },
  },
  'conflicts.list': {
    params: { after: 'k-0' },
    result: {
      more: true,
      versions: [
        {
          id: 'k-1',
          dest,
          path,
          reason: 'git-state',
          keptAt: 1_790_000_000_000,
          bytes: 12,
          storedAt: wireBytes('/x\xfe'),
        },
      ],
    },
  },
  'conflicts.restore': { params: { ids: ['k-1'] }, result: { restored: 1 } },
  'conflicts.prune': { params: { ids: ['k-1', 'k-2'] }, result: { pruned: 2, bytes: 4096 } },
  'job.expect': { params: { pulls: 2 }, result: {} },
  'job.start': {
    params: { job: 'j-7', kind: 'run', script: 'echo "$GREETING"\n', env: [['GREETING', 'héllo']] },
    result: running,
  },
  'job.state': { params: { job: 'j-7', kind: 'run', wait: true }, result: exited },
  'job.log': {
    params: { job: 'j-7', kind: 'setup', offset: 2 ** 33, tail: 10, follow: true },
    result: { end: 2 ** 33 + 5 },
  },
  'job.cancel': { params: { job: 'j-7', kind: 'run', graceMs: 10_000 }, result: { state: 'lost', pid: 4711 } },
  'job.list': {
    params: {},
    result: {
      scripts: [{ job: 'j-7', kind: 'run', startedAt: 1_790_000_000_000, status: running, note: 'no cgroup' }],
    },
  },
};

const bucket = 'check-points';
/** A key that is no path. */
const key = 'ü//\0';
const stat = { key, size: 2 ** 40, version: '5f2b', modifiedMs: 1_790_000_000_000 };
const described = { contentType: 'text/plain', metadata: [['mode', '33188']] as [string, string][] };
const head = { ...stat, ...described, md5: 'd41d8cd98f00b204e9800998ecf8427e' };
const written = { bucket, key, ...described, condition: { type: 'version', version: '5f2b' } } as const;
const upload = { bucket, upload: 'u-1' };

export const controllerSamples: MethodSamples<ControllerMethods> = {
  'bucket.access': { params: { offer: 'o-1f' }, result: { access } },
  'pull.files': { params: { offer: 'f-1f' }, result: {} },
  'pull.manifest': { params: { snapshot: 's-1f' }, result: {} },
  'pull.chunks': { params: { snapshot: 's-1f', ranges: [0, 5, 100_000, 1] }, result: {} },
  'pull.foreseen': { params: { snapshot: 's-1f' }, result: {} },
  'pull.objects': { params: { snapshot: 's-1f', ranges: [0, 5] }, result: {} },
  'pull.classify': { params: { snapshot: 's-1f', paths: [path] }, result: { ignored: [0] } },
  'store.list': {
    params: { bucket, prefix: 'ü/', delimited: true, cursor: 'Yg', limit: 1000 },
    result: { objects: [stat], prefixes: ['ü/a/'], next: 'Yw' },
  },
  'store.head': { params: { bucket, key }, result: { head } },
  'store.get': { params: { bucket, key, start: 5, end: 2 ** 33, ifVersion: '5f2b' }, event: head, result: {} },
  'store.put': { params: written, result: stat },
  'store.startUpload': { params: { ...written, condition: { type: 'absent' } }, result: { upload: 'u-1' } },
  'store.part': { params: { ...upload, number: 1, size: 8 << 20, offset: 1 << 20 }, result: {} },
  'store.copyPart': {
    params: { ...upload, number: 2, from: key, start: 0, end: 8 << 20, ifVersion: '5f2b' },
    result: {},
  },
  'store.complete': { params: upload, result: stat },
  'store.abort': { params: upload, result: {} },
  'store.copy': { params: { bucket, from: key, to: 'b', ifVersion: '5f2b', replace: described }, result: stat },
  'store.delete': { params: { bucket, keys: [key, 'b'] }, result: { failures: [{ key: 'b', message: 'no' }] } },
};

export const envelopeSamples: readonly Envelope[] = [
  { type: 'call', id: 1, method: 'job.log', params: agentSamples['job.log'].params, window: 8 << 20 },
  { type: 'call', id: 3, method: 'pull.run', params: agentSamples['pull.run'].params, window: 0, payload: 10 },
  { type: 'event', id: 2, body: agentSamples['pull.run'].event },
  { type: 'done', id: 0xffff_ffff, result: { end: 5 } },
  { type: 'failed', id: 3, error },
  { type: 'cancel', id: 4 },
  { type: 'credit', id: 5, bytes: 2 << 20 },
  { type: 'ping', stamp: 1_790_000_000_000 },
  { type: 'pong', stamp: 1_790_000_000_000 },
  { type: 'bye', error },
];

/** A handshake, byte for byte, under a secret of 32 times 7. */
export function handshakeSamples(): Readonly<Record<string, Buffer>> {
  const secret = Buffer.alloc(32, 7);
  const hello = { type: 'hello', version: 1, minVersion: 1, capabilities: ['pull', 'jobs'] };
  const dialler = encodeMessage({ ...hello, nonce: Buffer.alloc(nonceBytes, 1), keyId: 'key-1' });
  const listener = encodeMessage({ ...hello, nonce: Buffer.alloc(nonceBytes, 2) });
  const hellos = [dialler, listener] as const;
  const say = (message: { readonly type: HandshakeMessage['type'] }): Buffer => encodeMessage(message);
  const proof = (role: 'dialler' | 'listener') => ({ type: 'proof', mac: proofMac(secret, role, hellos) }) as const;
  const welcome = (role: 'dialler' | 'listener', build: string) =>
    ({ type: 'welcome', build, mac: buildMac(secret, role, hellos, build) }) as const;
  return {
    '1 hello of the dialler': dialler,
    '2 hello of the listener': listener,
    '3 proof of the dialler': say(proof('dialler')),
    '4 proof of the listener': say(proof('listener')),
    '5 welcome of the listener': say(welcome('listener', 'build-2')),
    '6 welcome of the dialler': say(welcome('dialler', 'build-1')),
    refused: encodeMessage({ type: 'refused', code: 'unauthenticated' }),
  };
}

/** Whole frames. */
export function frameSamples(): Readonly<Record<string, Buffer>> {
  return {
    control: encodeControlFrame(encodeMessage({ type: 'cancel', id: 4 })),
    data: encodeDataFrame('data', 0x01020304, [Buffer.from('some '), Buffer.from('bytes')]),
    payload: encodeDataFrame('payload', 0x01020304, [Buffer.from('some bytes')]),
    'data without payload': encodeDataFrame('data', 1, []),
  };
}

export const headSamples: MethodSamples<HeadMethods> = {
  'copied.get': {
    params: { path, version: 'd41d8cd98f00b204e9800998ecf8427e', start: 0, end: 2 ** 33 },
    event: { size: 2 ** 40, mode: 0o100_644, mtimeSec: -1, mtimeNsec: 999_999_999 },
    result: {},
  },
};
