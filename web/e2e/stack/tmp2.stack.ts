import { Stack } from './stack';
import { expect, testOf } from './test';
const test = testOf(async () => ({ stack: await Stack.found(3) }));
test('3', async ({ world }) => {
  console.log(await world.stack.cli.do(['node','list']));
  await world.stack.nodes[1]!.kill();
  await world.stack.nodes[1]!.start();
  console.log(await world.stack.cli.do(['node','list']));
});
