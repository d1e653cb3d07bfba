/** The pages of the rail, in the order of the day: see, restore, be told, run. */
import {
  Archive,
  BellRing,
  Boxes,
  ClipboardCheck,
  Database,
  FileText,
  Gauge,
  HardDrive,
  History,
  LayoutDashboard,
  ListChecks,
  Radio,
  ScrollText,
  Settings2,
  ShieldCheck,
  Target,
  type LucideIcon,
} from 'lucide-react';
import type { LinkProps } from '@tanstack/react-router';
import { words } from '../words';

export interface NavPage {
  to: NonNullable<LinkProps['to']>;
  text: string;
  icon: LucideIcon;
}

const { pages, groups } = words.frame;

export const nav: readonly { text: string | undefined; pages: readonly NavPage[] }[] = [
  {
    text: undefined,
    pages: [
      { to: '/', text: pages.overview, icon: LayoutDashboard },
      { to: '/compliance', text: pages.compliance, icon: Gauge },
    ],
  },
  {
    text: groups.protect,
    pages: [
      { to: '/clusters', text: pages.clusters, icon: Database },
      { to: '/fleets', text: pages.fleets, icon: Boxes },
      { to: '/policies', text: pages.policies, icon: ShieldCheck },
      { to: '/jobs', text: pages.jobs, icon: ListChecks },
    ],
  },
  {
    text: groups.restore,
    pages: [
      { to: '/catalog', text: pages.catalog, icon: Archive },
      { to: '/restores', text: pages.restores, icon: History },
      { to: '/drills', text: pages.drills, icon: Target },
    ],
  },
  {
    text: groups.watch,
    pages: [
      { to: '/alarms', text: pages.alarms, icon: BellRing },
      { to: '/reports', text: pages.reports, icon: FileText },
      { to: '/approvals', text: pages.approvals, icon: ClipboardCheck },
      { to: '/audit', text: pages.audit, icon: ScrollText },
    ],
  },
  {
    text: groups.run,
    pages: [
      { to: '/repositories', text: pages.repositories, icon: HardDrive },
      { to: '/agents', text: pages.agents, icon: Radio },
      { to: '/administration', text: pages.administration, icon: Settings2 },
    ],
  },
];
