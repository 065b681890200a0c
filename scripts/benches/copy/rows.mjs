// What is copied, and with which flags the others do it best.
const width = '--transfers 32 --checkers 32';

export const rows = [
  {
    key: 'big',
    text: 'one object of 4 GiB, uploaded in parts',
    objects: 1,
    bytes: 4 * 2 ** 30,
    rcloneDefault: '',
    rcloneBest: width,
  },
  {
    key: 'small',
    text: '10,000 objects of 10 KB in 100 directories',
    objects: 10_000,
    bytes: 10_000,
    rcloneDefault: '',
    rcloneBest: width,
  },
  {
    key: 'no-op',
    text: 'no-op: 100,000 objects of 100 bytes that are there already',
    objects: 100_000,
    bytes: 100,
    noOp: true,
    rcloneDefault: '',
    // It lists at once, and believes the listing's times: without that it asks for each object.
    rcloneBest: `${width} --fast-list --update --use-server-modtime`,
  },
];
