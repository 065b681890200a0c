// All rows in the table's order, with what they must reach at once and after the next step: ours / rsync, and bytes on the wire.
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const belowRsync = { text: () => "below rsync's", met: ({ ours, rsync }) => ours < rsync };
const atMostRsync = { text: () => "at most rsync's", met: ({ ours, rsync }) => ours <= rsync };
const newData = {
  text: ({ newBytes, manifestBytes }) => `1.2 × new data + manifest: ${mb(1.2 * newBytes + manifestBytes)}`,
  met: ({ ours }, { newBytes, manifestBytes }) => ours <= 1.2 * newBytes + manifestBytes,
};
const percent = {
  text: ({ dataBytes }) => `under 1 %: ${mb(dataBytes / 100)}`,
  met: ({ ours }, { dataBytes }) => ours < dataBytes / 100,
};

export const rows = [
  { key: '1-lan', text: 'first sync of the Linux tree, LAN', must: 0.85, after: 0.7 },
  { key: '2', text: 'first sync of the Linux tree, slow link', must: 0.9, after: 0.7 },
  { key: '3-lan', text: 'no-op, LAN', must: 0.2, after: 0.12 },
  { key: '3-far', text: 'no-op, slow link', must: 0.06, after: 0.04 },
  { key: '4-lan', text: 'one-line edit, LAN', must: 0.22, after: 0.12 },
  { key: '4-far', text: 'one-line edit, slow link', must: 0.06, after: 0.04 },
  { key: '5-typescript', text: 'typescript 5.4.5 → 5.5.4, slow link', must: 0.6, after: 0.4, bytes: belowRsync },
  { key: '5-next', text: 'next 14.1.0 → 14.2.0, slow link', must: 0.6, after: 0.4, bytes: belowRsync },
  { key: '5-s3', text: '@aws-sdk/client-s3 3.540.0 → 3.550.0, slow link', must: 0.6, after: 0.4, bytes: belowRsync },
  { key: '6-front', text: '1 GiB file, 1 MiB inserted at the front', must: 0.45, after: 0.33, bytes: newData },
  { key: '6-front-later', text: '1 MiB inserted at its front, 3 s before Enter' },
  { key: '6-middle', text: '1 GiB file, 1 MiB overwritten in the middle', must: 0.45, after: 0.33, bytes: newData },
  { key: '6-middle-later', text: '1 MiB overwritten in its middle, 3 s before Enter' },
  { key: '7', text: '1 GiB file, 100 edits of 4 KiB', must: 0.45, after: 0.33, bytes: atMostRsync },
  { key: '7-later', text: '100 edits of it, 3 s before Enter' },
  { key: '8-rename', text: 'directory of 1 GB (4,000 files) renamed', must: 0.1, after: 0.05, bytes: percent },
  { key: '8-copy', text: '1 GB file copied', must: 0.1, after: 0.05, bytes: percent },
  { key: '9', text: 'git checkout, 2,000 files of the Linux tree', must: 0.4, after: 0.2 },
  { key: '9-later', text: 'git checkout, 3 s before Enter' },
  { key: '10-first', text: 'many small files, first sync', must: 1, after: 0.7 },
  { key: '10-noop', text: 'many small files, no-op', must: 0.03, after: 0.01 },
  { key: '11', text: 'no-op after kill -9 of the daemon', must: 1.2, after: 0.8 },
  { key: '12-noop-10k', text: 'growth: no-op' },
  { key: '12-noop-100k', text: 'growth: no-op' },
  { key: '12-edit-10k', text: 'growth: one-line edit' },
  { key: '12-edit-100k', text: 'growth: one-line edit' },
  { key: '12-edit-1m', text: 'growth: one-line edit' },
  {
    key: '13-linux',
    text: 'Linux tree, first sync',
    memory: { agentPeak: 350e6, agentAtRest: 90e6, controllerPeak: 450e6 },
  },
  {
    key: '13-many',
    text: 'many small files, first sync',
    // The agent's peak has no limit here.
    memory: { agentAtRest: 90e6, controllerPeak: 1.5e9 },
  },
];
