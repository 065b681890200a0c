/** What of Amazon's SDK is used. A file of its own in the build (sdk-aws.mjs), loaded with the first S3 bucket. */
export {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadBucketCommand,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
export { fromNodeProviderChain } from '@aws-sdk/credential-providers';
export { parseKnownFiles } from '@smithy/core/config';
export { NodeHttpHandler } from '@smithy/node-http-handler';
