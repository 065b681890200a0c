/** An answer that is no success. */
export class GcsError extends Error {
  readonly status: number;
  readonly reason: string;
  /** The XML API's name for it. */
  readonly xmlCode: string;

  constructor(status: number, reason: string, message: string, xmlCode = 'InvalidArgument') {
    super(message);
    this.status = status;
    this.reason = reason;
    this.xmlCode = xmlCode;
  }
}

export const noSuchObject = (bucket: string, name: string): GcsError =>
  new GcsError(404, 'notFound', `No such object: ${bucket}/${name}`, 'NoSuchKey');

export const noSuchBucket = (): GcsError =>
  new GcsError(404, 'notFound', 'The specified bucket does not exist.', 'NoSuchBucket');

export const preconditionFailed = (): GcsError =>
  new GcsError(
    412,
    'conditionNotMet',
    'At least one of the pre-conditions you specified did not hold.',
    'PreconditionFailed',
  );

export const invalid = (message: string): GcsError => new GcsError(400, 'invalid', message);
