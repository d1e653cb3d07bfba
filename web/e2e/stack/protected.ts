/**
 * The test of files that begin with a protected cluster: they share its stack, so each
 * leaves what others need as it was, and looks for what it made itself.
 */
import { testOf } from './test';
import { protectedWorld } from './world';

export const test = testOf(protectedWorld);
