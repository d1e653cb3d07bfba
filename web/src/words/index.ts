/**
 * All words of the console, in one place. Components have no literals of their own
 * (test/words.test.ts holds them to it). One file a page in `en/`; a second language
 * would be a second folder of the same shape.
 */
import { acts } from './en/acts';
import { administration } from './en/administration';
import { agents } from './en/agents';
import { alarms } from './en/alarms';
import { approvals } from './en/approvals';
import { audit } from './en/audit';
import { catalog } from './en/catalog';
import { cluster } from './en/cluster';
import { clusters } from './en/clusters';
import { common, equivalent, errors } from './en/common';
import { compliance } from './en/compliance';
import { coverage } from './en/coverage';
import { cron } from './en/cron';
import { drills } from './en/drills';
import { dumps } from './en/dumps';
import { fleets } from './en/fleets';
import { frame, palette } from './en/frame';
import { jobs } from './en/jobs';
import { login } from './en/login';
import { moment } from './en/moment';
import { overview } from './en/overview';
import { policies } from './en/policies';
import { reports } from './en/reports';
import { repositories } from './en/repositories';
import { restores } from './en/restores';
import { subjects } from './en/subjects';
import { unprotected } from './en/unprotected';
import { wizard } from './en/wizard';
import { work } from './en/work';
import { yaml } from './en/yaml';

export const words = {
  acts,
  administration,
  agents,
  alarms,
  approvals,
  audit,
  catalog,
  cluster,
  clusters,
  common,
  compliance,
  coverage,
  cron,
  drills,
  dumps,
  equivalent,
  errors,
  fleets,
  frame,
  jobs,
  login,
  moment,
  overview,
  palette,
  policies,
  reports,
  repositories,
  restores,
  subjects,
  unprotected,
  wizard,
  work,
  yaml,
};

export type Words = typeof words;
