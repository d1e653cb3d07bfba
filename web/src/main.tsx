import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { z } from 'zod';
import { queryClient } from './api/query-client';
import { router } from './routes';
import { session } from './session/browser';
import { watchTheme } from './theme/theme';
import './theme/tokens.css';
import { TooltipProvider } from './ui/Tooltip';

// Its compiled parsers need eval, which our content security policy forbids.
z.config({ jitless: true });
watchTheme();
session.watch();
session.listen((event) => {
  if (event.kind !== 'ended') return;
  queryClient.clear();
  const { pathname, href } = router.state.location;
  if (pathname !== '/login') void router.navigate({ to: '/login', search: { return: href } });
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <TooltipProvider delayDuration={300}>
        <RouterProvider router={router} />
      </TooltipProvider>
    </QueryClientProvider>
  </StrictMode>,
);
