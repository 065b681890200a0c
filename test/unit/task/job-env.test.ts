import { expect, test } from 'vitest';
import { jobEnv } from '../../../controller/task/job-env.ts';

const common = {
  rank: 1,
  nodes: [
    { address: '10.0.0.1', gpus: 0 },
    { address: '10.0.0.2', gpus: 8 },
  ],
  numNodes: 2,
  cluster: 'dev',
  infra: 'ssh/lab',
  jobNumber: 7,
  submittedAt: new Date(2023, 6, 6, 21, 8, 31, 5).getTime(),
};
const both = {
  SKYPILOT_NUM_NODES: '2',
  SKYPILOT_TASK_ID: 'sky-2023-07-06-21-08-31-005000_dev_7',
  SKYPILOT_INTERNAL_JOB_ID: '7',
};

test('a run has its rank and the addresses by rank, one a line', () => {
  const { SKYPILOT_CLUSTER_INFO: info, ...rest } = Object.fromEntries(jobEnv({ kind: 'run', ...common }));
  expect(rest).toEqual({
    ...both,
    SKYPILOT_NODE_RANK: '1',
    SKYPILOT_NODE_IPS: '10.0.0.1\n10.0.0.2',
    SKYPILOT_NUM_GPUS_PER_NODE: '8',
  });
  expect(JSON.parse(info ?? '')).toEqual({ cluster_name: 'dev', cloud: 'ssh', region: 'lab', zone: null });
});

test('a setup has names of its own', () => {
  const { SKYPILOT_CLUSTER_INFO: info, ...rest } = Object.fromEntries(
    jobEnv({ kind: 'setup', ...common, infra: 'local' }),
  );
  expect(rest).toEqual({
    ...both,
    SKYPILOT_SETUP_NODE_RANK: '1',
    SKYPILOT_SETUP_NODE_IPS: '10.0.0.1\n10.0.0.2',
    SKYPILOT_SETUP_NUM_GPUS_PER_NODE: '8',
  });
  expect(JSON.parse(info ?? '')).toEqual({ cluster_name: 'dev', cloud: 'local', region: null, zone: null });
});
