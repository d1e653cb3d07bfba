/**
 * All words of the console, in one place. Components have no literals of their own
 * (test/words.test.ts holds them to it). One file a page in `en/`; a second language
 * would be a second folder of the same shape.
 */
import { cluster } from './en/cluster';
import { clusters } from './en/clusters';
import { common, equivalent, errors } from './en/common';
import { compliance } from './en/compliance';
import { coverage } from './en/coverage';
import { frame, missing, palette } from './en/frame';
import { login } from './en/login';
import { overview } from './en/overview';
import { unprotected } from './en/unprotected';

export const words = {
  cluster,
  clusters,
  common,
  compliance,
  coverage,
  equivalent,
  errors,
  frame,
  login,
  missing,
  overview,
  palette,
  unprotected,
};

export type Words = typeof words;
