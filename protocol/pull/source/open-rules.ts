import { bytesOf } from '../../base/root-path.ts';
import { openIgnore } from './ignore/open-ignore.ts';
import type { OpenIgnore } from './ignore-scope.ts';

/** The ignore rules at a root: the request's paths are text, the rules work on bytes. Blocking. */
export const openRules: OpenIgnore = ({ root, home, xdgConfigHome, tracked }) =>
  openIgnore({
    root,
    tracked,
    home: bytesOf(home),
    xdgConfigHome: xdgConfigHome === undefined ? undefined : bytesOf(xdgConfigHome),
  });
