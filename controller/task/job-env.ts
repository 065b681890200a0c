/** The variables of a script, by the incumbent's names, so that its task files run unchanged. */
export interface JobEnvironment {
  readonly kind: 'setup' | 'run';
  readonly rank: number;
  /** Addresses and GPU counts of the script's nodes, by rank. */
  readonly nodes: readonly { readonly address: string; readonly gpus: number }[];
  readonly numNodes: number;
  readonly cluster: string;
  readonly infra: string;
  readonly jobNumber: number;
  /** Milliseconds since the epoch. */
  readonly submittedAt: number;
}

export function jobEnv({
  kind,
  rank,
  nodes,
  numNodes,
  cluster,
  infra,
  jobNumber,
  submittedAt,
}: JobEnvironment): [string, string][] {
  const addresses = nodes.map(({ address }) => address).join('\n');
  const gpus = String(nodes[rank]?.gpus ?? 0);
  const common: [string, string][] = [
    ['SKYPILOT_NUM_NODES', String(numNodes)],
    ['SKYPILOT_TASK_ID', `sky-${timestamp(submittedAt)}_${cluster}_${jobNumber}`],
    [
      'SKYPILOT_CLUSTER_INFO',
      JSON.stringify({
        cluster_name: cluster,
        cloud: infra.split('/')[0],
        region: infra.split('/')[1] ?? null,
        zone: null,
      }),
    ],
    ['SKYPILOT_INTERNAL_JOB_ID', String(jobNumber)],
  ];
  if (kind === 'setup') {
    return [
      ...common,
      ['SKYPILOT_SETUP_NODE_RANK', String(rank)],
      ['SKYPILOT_SETUP_NODE_IPS', addresses],
      ['SKYPILOT_SETUP_NUM_GPUS_PER_NODE', gpus],
    ];
  }
  return [
    ...common,
    ['SKYPILOT_NODE_RANK', String(rank)],
    ['SKYPILOT_NODE_IPS', addresses],
    ['SKYPILOT_NUM_GPUS_PER_NODE', gpus],
  ];
}

/** 2023-07-06-21-18-31-563000 in local time: the incumbent has microseconds. */
function timestamp(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}-${two(date.getHours())}-${two(date.getMinutes())}-${two(date.getSeconds())}-${String(date.getMilliseconds()).padStart(3, '0')}000`;
}
