import { conflictsList, conflictsPrune, conflictsRestore } from './conflict.ts';
import { copyServe } from './copied.ts';
import { bucketAccess, copyRun } from './copy.ts';
import { jobCancel, jobExpect, jobList, jobLog, jobStart, jobState } from './job.ts';
import { nodeInfo, nodeStop } from './node.ts';
import {
  pullAdvance,
  pullChunks,
  pullClassify,
  pullEarly,
  pullFiles,
  pullForeseen,
  pullManifest,
  pullObjects,
  pullRun,
} from './pull.ts';
import {
  storeAbort,
  storeComplete,
  storeCopy,
  storeCopyPart,
  storeDelete,
  storeGet,
  storeHead,
  storeList,
  storePart,
  storePut,
  storeStartUpload,
} from './store.ts';

/** What an agent serves to its controller. */
export const agentMethods = {
  'node.info': nodeInfo,
  'node.stop': nodeStop,
  'pull.run': pullRun,
  'pull.advance': pullAdvance,
  'pull.early': pullEarly,
  'copy.run': copyRun,
  'copy.serve': copyServe,
  'conflicts.list': conflictsList,
  'conflicts.restore': conflictsRestore,
  'conflicts.prune': conflictsPrune,
  'job.expect': jobExpect,
  'job.start': jobStart,
  'job.state': jobState,
  'job.log': jobLog,
  'job.cancel': jobCancel,
  'job.list': jobList,
} as const;

/** What a controller serves to its agents. */
export const controllerMethods = {
  'pull.files': pullFiles,
  'pull.manifest': pullManifest,
  'pull.chunks': pullChunks,
  'pull.foreseen': pullForeseen,
  'pull.objects': pullObjects,
  'pull.classify': pullClassify,
  'bucket.access': bucketAccess,
  'store.list': storeList,
  'store.head': storeHead,
  'store.get': storeGet,
  'store.put': storePut,
  'store.startUpload': storeStartUpload,
  'store.part': storePart,
  'store.copyPart': storeCopyPart,
  'store.complete': storeComplete,
  'store.abort': storeAbort,
  'store.copy': storeCopy,
  'store.delete': storeDelete,
} as const;

export type AgentMethods = typeof agentMethods;
export type ControllerMethods = typeof controllerMethods;
