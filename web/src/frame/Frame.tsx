/** The frame: rail, top bar, banner, and the page in its panel. */
import { Outlet } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { LiveProvider } from '../live/LiveContext';
import { Palette } from '../palette/Palette';
import { Sheet } from '../ui/Dialog';
import { words } from '../words';
import { StaleBanner } from './AsOf';
import { Logo } from './Logo';
import { NavList, Rail } from './Rail';
import { TopBar } from './TopBar';

const STORED = 'holdfast.rail';

export function Frame() {
  const [compact, setCompact] = useState(() => localStorage.getItem(STORED) === 'compact');
  const [navigating, setNavigating] = useState(false);
  const [searching, setSearching] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setSearching((open) => !open);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const toggle = () => {
    localStorage.setItem(STORED, compact ? 'wide' : 'compact');
    setCompact(!compact);
  };
  return (
    <LiveProvider>
      <a
        href="#content"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 font-medium text-on-accent focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        {words.frame.skip}
      </a>
      <div className="flex h-dvh">
        <Rail compact={compact} onToggle={toggle} />
        <div className="flex min-w-0 flex-1 flex-col lg:py-2 lg:pr-2">
          <div className="flex min-h-0 flex-1 flex-col overflow-hidden bg-surface lg:rounded-xl lg:border lg:border-line lg:shadow-lift">
            <TopBar onNavigation={() => setNavigating(true)} onSearch={() => setSearching(true)} />
            <StaleBanner />
            <main
              id="content"
              tabIndex={-1}
              className="scroll-quiet relative min-h-0 flex-1 overflow-y-auto outline-none"
            >
              <Outlet />
            </main>
          </div>
        </div>
      </div>
      <Sheet
        open={navigating}
        onOpenChange={setNavigating}
        side="left"
        title={words.frame.navigation}
        heading={<Logo />}
      >
        <div className="px-2 pb-4">
          <NavList onChosen={() => setNavigating(false)} />
        </div>
      </Sheet>
      <Palette open={searching} onOpenChange={setSearching} />
    </LiveProvider>
  );
}
