import { TowError } from '../base/errors.ts';
import type { Hello } from '../wire/hello.ts';
import { minProtocolVersion, protocolVersion } from '../wire/version.ts';

export interface VersionRange {
  readonly version: number;
  readonly minVersion: number;
}

const ourVersions: VersionRange = { version: protocolVersion, minVersion: minProtocolVersion };

/**
 * Passes a peer that each side's minimum allows. Throws `version-mismatch`, which says who is older and what mends it;
 * `who` is what the peer is.
 */
export function checkVersions(
  peer: Pick<Hello, 'version' | 'minVersion'>,
  who: 'agent' | 'controller',
  ours: VersionRange = ourVersions,
): void {
  if (peer.version >= ours.minVersion && ours.version >= peer.minVersion) return;
  const older = peer.version < ours.minVersion;
  const agentIsOlder = older === (who === 'agent');
  throw new TowError(
    'version-mismatch',
    `the ${who} speaks protocol ${rangeText(peer)}, this side ${rangeText(ours)}: the ${who} is too ${older ? 'old' : 'new'}`,
    {
      hint: agentIsOlder
        ? 'launch the cluster again: that upgrades its agents'
        : 'upgrade Towline on your machine, then launch the cluster again',
    },
  );
}

function rangeText({ version, minVersion }: VersionRange): string {
  return version === minVersion ? String(version) : `${minVersion} to ${version}`;
}
