import { protectedWorld } from './world';
import { Stack } from './stack';
import { expect, testOf } from './test';
const test = testOf(protectedWorld);
test('x', async ({ world }) => {
  console.log(world.stack.console, await world.postgres.sql('select count(*) from orders'));
  console.log(await world.stack.cli.do(['backup','list','shop']));
});
