/**
 * All words of the console, in one place. Components have no literals of their own
 * (test/words.test.ts holds them to it). One file a page in `en/`; a second language
 * would be a second folder of the same shape.
 */
import { clusters } from './en/clusters';
import { common, equivalent, errors } from './en/common';
import { frame, missing, palette } from './en/frame';
import { drills } from './en/drills';
import { jobs } from './en/jobs';
import { login } from './en/login';
import { work } from './en/work';

export const words = {
  clusters,
  common,
  drills,
  equivalent,
  errors,
  frame,
  jobs,
  login,
  missing,
  palette,
  work,
};

export type Words = typeof words;
