/**
 * All words of the console, in one place. Components have no literals of their own
 * (test/words.test.ts holds them to it). One file a page in `en/`; a second language
 * would be a second folder of the same shape.
 */
import { acts } from './en/acts';
import { administration } from './en/administration';
import { agents } from './en/agents';
import { alarms } from './en/alarms';
import { audit } from './en/audit';
import { clusters } from './en/clusters';
import { common, equivalent, errors } from './en/common';
import { frame, missing, palette } from './en/frame';
import { login } from './en/login';
import { policies } from './en/policies';
import { reports } from './en/reports';
import { repositories } from './en/repositories';
import { subjects } from './en/subjects';
import { yaml } from './en/yaml';

export const words = {
  acts,
  administration,
  agents,
  alarms,
  audit,
  clusters,
  common,
  equivalent,
  errors,
  frame,
  login,
  missing,
  palette,
  policies,
  reports,
  repositories,
  subjects,
  yaml,
};

export type Words = typeof words;
