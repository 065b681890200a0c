import { toTowError } from '../../../protocol/base/errors.ts';
import { libcLoaded } from '../../../protocol/libc/libc.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { readPools } from '../../cluster/pools.ts';
import type { CommandRun } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import { checkClouds } from './check-clouds.ts';
import { homeOf } from './task-run.ts';

/** Each hop with what it found and how to mend it: this machine, pools, clouds, then every node of a cluster (or of all). */
export const check: CommandRun<'check'> = async ({ cluster }, context, controller) => {
  let failed = 0;
  const say = (subject: string, ok: boolean, detail: string, hint?: string): void => {
    if (!ok) failed += 1;
    context.emit({ type: 'data', kind: 'check', subject, ok, detail, ...(hint === undefined ? {} : { hint }) });
  };
  say('controller', true, `runs on Node ${process.version}`);
  say(
    'native file',
    libcLoaded(),
    libcLoaded() ? 'loaded: nanosecond times, holes, locks' : 'not loaded: times to the µs, holes are sent as zeros',
    libcLoaded() ? undefined : 'npm install puts it beside tow; Linux x64 and arm64 have one',
  );
  try {
    const { pools } = await readPools(homeOf(context, controller));
    say(
      'pools',
      true,
      pools.size === 0
        ? 'none set up: clusters are local'
        : [...pools].map(([name, hosts]) => `${name} (${hosts.length})`).join(', '),
    );
  } catch (error) {
    const { message, hint } = toTowError(error, 'reading the pools');
    say('pools', false, message, hint);
  }
  const home = homeOf(context, controller);
  const request = { script: controller.script, env: context.env, home, credentials: 'forward' } as const;
  await checkClouds(request, say, context.signal);
  const clusters = cluster === undefined ? controller.registry.clusters : [controller.registry.get(cluster)];
  for (const one of clusters) await checkCluster(one, context, say);
  return {
    summary: { command: 'check', text: failed === 0 ? 'all is well' : `${failed} to mend` },
    exitCode: failed === 0 ? 0 : 1,
  };
};

async function checkCluster(
  cluster: Cluster,
  context: CommandContext,
  say: (subject: string, ok: boolean, detail: string, hint?: string) => void,
): Promise<void> {
  await Promise.all(
    cluster.nodes.map(async (node) => {
      const subject = `${cluster.name} ${node.name}`;
      try {
        const link = await node.link(context, context.signal);
        const info = await link.call('node.info', {}, {}, context.signal);
        const rtt = link.roundTripMs === undefined ? '' : `, round trip ${link.roundTripMs.toFixed(1)} ms`;
        say(
          subject,
          true,
          `agent ${link.peer.build} on ${info.hostname} (${info.platform} ${info.arch}, Node ${info.nodeVersion})${rtt}`,
        );
        say(
          `${subject} native file`,
          info.libc,
          info.libc ? 'loaded' : 'not loaded: times to the µs, slower barriers',
          info.libc ? undefined : 'tow launch installs it where there is one for the platform',
        );
        if (!node.isLocal)
          say(
            `${subject} supervision`,
            info.supervision !== 'none',
            info.supervision === 'none'
              ? 'none: after a reboot the agent starts at the next tow command'
              : info.supervision,
            info.supervision === 'none'
              ? 'install cron on the node, or enable lingering for the account (loginctl enable-linger)'
              : undefined,
          );
      } catch (error) {
        const { message, hint } = toTowError(error, 'reaching the node');
        say(subject, false, message, hint);
      }
    }),
  );
}
