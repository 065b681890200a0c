// Bundles the programs into dist/: tow.js (the CLI, which only talks to the daemon), controller.mjs (the daemon), source-thread.mjs (its threads that read sources),
// agent.mjs with koffi.node (what goes to nodes), sdk-aws.mjs and sdk-google.mjs (the clouds' own clients, which both load
// when they need them), x509.mjs (what makes certificates, for the daemon). A build's identity is the digest of what it bundles.
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const out = process.env.TOWLINE_DIST ?? join(top, 'dist');
const stage = `${out}.${process.pid}`;
const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));

// Bundled CommonJS packages ask for `require`, which an ES module lacks.
const requireBanner =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

// The clouds' clients, and what makes certificates, are large, and seldom needed: they stay outside, beside whoever imports them.
const sdks = { 'protocol/store/s3/sdk.ts': 'sdk-aws.mjs', 'protocol/store/gcs/sdk.ts': 'sdk-google.mjs' };
const certificates = { 'controller/cluster/head/x509.ts': 'x509.mjs' };
const outside = {
  name: 'outside',
  setup({ onResolve }) {
    onResolve({ filter: /\/(sdk|x509)\.ts$/ }, ({ path, kind, resolveDir }) => {
      const name = { ...sdks, ...certificates }[relative(top, join(resolveDir, path))];
      return kind === 'dynamic-import' && name !== undefined ? { path: `./${name}`, external: true } : undefined;
    });
  },
};

async function bundle(entry, name, define, banner, format = 'esm') {
  await build({
    entryPoints: [join(top, entry)],
    outfile: join(stage, name),
    bundle: true,
    platform: 'node',
    format,
    target: 'node20.19',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    // Its CommonJS form holds all its hashes.
    alias: { 'hash-wasm': 'hash-wasm/dist/index.esm.js' },
    external: ['koffi', 'msgpackr-extract', 'bufferutil', 'utf-8-validate'],
    banner: { js: banner },
    plugins: [outside],
    define: { TOWLINE_VERSION: JSON.stringify(version), ...define },
    logLevel: 'warning',
  });
}

const digest = (...names) => {
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(join(stage, name)));
  return hash.digest('hex').slice(0, 16);
};

mkdirSync(stage, { recursive: true });
for (const [entry, name] of Object.entries({ ...sdks, ...certificates })) await bundle(entry, name, {}, requireBanner);
const sdkDigest = digest(...Object.values(sdks));
await bundle('agent/main.ts', 'agent.mjs', {}, `/* ${sdkDigest} */${requireBanner}`);
await bundle('controller/daemon/source-thread.ts', 'source-thread.mjs', {}, requireBanner);
await bundle(
  'controller/daemon/main.ts',
  'controller.mjs',
  { TOWLINE_AGENT_BUILD: JSON.stringify(digest('agent.mjs')) },
  `/* ${digest('source-thread.mjs', ...Object.values(certificates))} */${requireBanner}`,
);
await bundle(
  'controller/cli/main.ts',
  'tow.js',
  {
    TOWLINE_BUILD: JSON.stringify(digest('agent.mjs', 'controller.mjs')),
    'import.meta.url': '__bundleUrl',
  },
  // CommonJS: it starts 5 ms sooner, and loads Node's modules with the parts that use them. A shell script as well: Node
  // reads extra certificates whenever it starts, for 35 ms, and this program has no use for them (extra-certificates.ts).
  [
    '#!/bin/sh',
    '":" //; [ -z "$NODE_EXTRA_CA_CERTS" ] || { export TOWLINE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"; unset NODE_EXTRA_CA_CERTS; }; exec node "$0" "$@"',
    "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;",
  ].join('\n'),
  'cjs',
);
writeFileSync(join(stage, 'package.json'), '{ "type": "commonjs" }\n');
chmodSync(join(stage, 'tow.js'), 0o755);
try {
  const native = createRequire(import.meta.url).resolve(
    `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
  );
  copyFileSync(native, join(stage, 'koffi.node'));
} catch {
  console.warn(`build: no koffi binary for linux-${process.arch} here; nodes of this architecture get it from npm`);
}
rmSync(out, { recursive: true, force: true });
renameSync(stage, out);
