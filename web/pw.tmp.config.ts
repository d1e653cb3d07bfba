import base from './playwright.config';
export default { ...base, timeout: 90_000, expect: { timeout: 20_000 }, workers: 2, use: { ...base.use, baseURL: 'http://127.0.0.1:24490' }, webServer: undefined };
