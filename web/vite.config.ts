import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig, type ProxyOptions } from 'vite';

/** The control plane that `npm run dev` and `npm run preview` show. */
const target = process.env['HOLDFAST_URL'] ?? 'http://127.0.0.1:18400';

/** What holdfastd sends with every page; `npm run preview` sends the same. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "manifest-src 'self'",
].join('; ');

/** An event stream has headers long before it has an event. */
const configure: NonNullable<ProxyOptions['configure']> = (proxy) => {
  proxy.on('proxyRes', (_answer, _request, response) => {
    setImmediate(() => response.flushHeaders());
  });
};

const proxy: Record<string, ProxyOptions> = Object.fromEntries(
  ['/api', '/errors', '/healthz', '/readyz', '/metrics'].map((path) => [
    path,
    { target, configure },
  ]),
);

/**
 * What every page needs is read at once, in two files: a file for each icon and each part
 * would be sixty requests before the first view, six at a time.
 */
function chunkOf(id: string): string | undefined {
  if (
    /node_modules\/(react|react-dom|scheduler|@tanstack\/(react-)?(router|query|store|history))/.test(
      id,
    )
  )
    return 'vendor';
  if (
    /node_modules\/lucide-react|web\/src\/(format|frame|live|search|session|subjects|theme|ui|words)\//.test(
      id,
    )
  )
    return 'frame';
  return undefined;
}

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: [
      { find: '@', replacement: fileURLToPath(new URL('src', import.meta.url)) },
      // It writes <style> elements, which our content security policy forbids.
      {
        find: 'react-remove-scroll',
        replacement: fileURLToPath(new URL('src/ui/scroll-lock.tsx', import.meta.url)),
      },
    ],
  },
  build: {
    target: 'es2022',
    // A data: URL of a font is not from 'self'.
    assetsInlineLimit: 0,
    // Its polyfill is an inline script.
    modulePreload: { polyfill: false },
    sourcemap: false,
    rollupOptions: { output: { manualChunks: chunkOf } },
  },
  server: { host: '127.0.0.1', port: 5173, proxy },
  preview: {
    host: '127.0.0.1',
    port: 4173,
    proxy,
    headers: {
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    },
  },
});
