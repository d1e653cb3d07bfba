/** Under a list that comes in pages: how much is shown, and the next page. */
import { formatCount } from '../../format/size';
import { Button } from '../../ui/Button';
import { words } from '../../words';

const text = words.work;

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

export function MoreRows({ count, list }: { count: number; list: Pages }) {
  return (
    <div className="flex items-center gap-3 pt-2">
      <p role="status" className="num text-sm text-ink-3">
        {list.isFetchingNextPage
          ? text.readingMore
          : text.count(formatCount(count), list.hasNextPage)}
      </p>
      {list.hasNextPage && (
        <Button size="sm" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {text.more}
        </Button>
      )}
    </div>
  );
}
