import * as fc from 'fast-check';
import { firstSeed } from './first-seed.ts';

fc.configureGlobal({ seed: firstSeed });
