/** Where people are told of alarms: channels, a test, and what became of each notice. */
import { getRouteApi } from '@tanstack/react-router';
import { BellPlus, Pencil, Send, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { ConfirmAct } from '../../acts/ConfirmAct';
import { useAct } from '../../acts/useAct';
import { revisionOf } from '../../api/client';
import { useWholeList } from '../../api/pages';
import {
  channelOf,
  channels,
  deleteChannel,
  testChannel,
  type Channel,
} from '../../api/queries/channels';
import { formatDuration } from '../../format/time';
import { Badge } from '../../ui/Badge';
import { Button, IconButton } from '../../ui/Button';
import { SmallTable } from '../../ui/SmallTable';
import { EmptyState } from '../../ui/States';
import { toast } from '../../ui/Toast';
import { words } from '../../words';
import { Block } from './Block';
import { ChannelEditor } from './ChannelEditor';
import { Deliveries } from './Deliveries';
import { placeOfChannel, reachOfChannel } from './states';

const text = words.administration.channels;
const route = getRouteApi('/frame/administration');

export function Channels() {
  const { channel: chosen, deliveries } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useWholeList(channels.list());
  const [editing, setEditing] = useState<Channel | 'new'>();
  const [deleting, setDeleting] = useState<Channel>();
  const test = useAct({
    run: (name: string) => testChannel(name),
    stale: ['notification-channels'],
    onDone: ({ channel, delivered, said, seconds }) =>
      toast({
        tone: delivered ? 'ok' : 'bad',
        title: delivered ? text.tested(channel) : text.refused(channel),
        more: `${text.said}: ${said} (${text.took(formatDuration(seconds))})`,
      }),
  });
  const show = (channel: string) =>
    void navigate({ search: { tab: 'channels', channel }, replace: true });
  return (
    <div className="space-y-4">
      <Block
        title={text.list}
        about={text.about}
        error={list.items.length === 0 ? list.error : test.error}
        retry={list.retry}
        actions={
          <Button variant="primary" size="sm" icon={BellPlus} onClick={() => setEditing('new')}>
            {text.new}
          </Button>
        }
      >
        <SmallTable<Channel>
          label={text.list}
          pending={list.pending}
          rows={list.items}
          rowId={({ metadata }) => metadata.name}
          empty={
            <EmptyState
              icon={BellPlus}
              title={text.empty.title}
              actions={
                <Button icon={BellPlus} onClick={() => setEditing('new')}>
                  {text.new}
                </Button>
              }
            >
              <p>{text.empty.about}</p>
            </EmptyState>
          }
          columns={[
            {
              name: text.columns.name,
              cell: ({ metadata: { name } }) => (
                <button
                  type="button"
                  onClick={() => show(name)}
                  className="rounded-sm font-medium hover:underline"
                >
                  {name}
                </button>
              ),
            },
            { name: text.columns.type, cell: (channel) => text.types[channelOf(channel).type] },
            {
              name: text.columns.to,
              from: 'md',
              cell: (channel) => (
                <span className="text-sm break-all text-ink-2">
                  {placeOfChannel(channelOf(channel))}
                </span>
              ),
            },
            {
              name: text.columns.of,
              from: 'lg',
              cell: (channel) => (
                <span className="flex flex-wrap gap-1">
                  {reachOfChannel(channelOf(channel)).map((part) => (
                    <Badge key={part}>{part}</Badge>
                  ))}
                </span>
              ),
            },
            {
              name: words.administration.act,
              nameHidden: true,
              align: 'end',
              className: 'whitespace-nowrap py-1',
              cell: (channel) => {
                const { name } = channel.metadata;
                return (
                  <>
                    <IconButton
                      icon={Send}
                      label={`${text.test}: ${name}`}
                      disabled={test.isPending}
                      onClick={() => test.mutate(name)}
                    />
                    <IconButton
                      icon={Pencil}
                      label={`${text.edit}: ${name}`}
                      onClick={() => setEditing(channel)}
                    />
                    <IconButton
                      icon={Trash2}
                      label={`${text.delete}: ${name}`}
                      onClick={() => setDeleting(channel)}
                    />
                  </>
                );
              },
            },
          ]}
        />
      </Block>
      {list.items
        .filter(({ metadata }) => metadata.name === (chosen ?? list.items[0]?.metadata.name))
        .map(({ metadata: { name } }) => (
          <Deliveries
            key={name}
            channel={name}
            state={deliveries}
            onState={(state) =>
              void navigate({
                search: { tab: 'channels', channel: name, deliveries: state },
                replace: true,
              })
            }
          />
        ))}
      {editing !== undefined && (
        <ChannelEditor
          channel={editing === 'new' ? undefined : editing}
          onClose={() => setEditing(undefined)}
        />
      )}
      {deleting !== undefined && (
        <Delete channel={deleting} onClose={() => setDeleting(undefined)} />
      )}
    </div>
  );
}

function Delete({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const { name } = channel.metadata;
  const act = useAct({
    run: () => deleteChannel(name, revisionOf(channel)),
    stale: ['notification-channels', 'alarms'],
    said: () => text.deleted(name),
    onDone: onClose,
  });
  return (
    <ConfirmAct
      open
      onOpenChange={(open) => !open && onClose()}
      title={text.deleteTitle(name)}
      action={text.delete}
      act={act}
      onConfirm={() => act.mutate()}
      equivalent={{
        cli: `holdfast delete notification-channel ${name}`,
        api: { method: 'DELETE', path: `/api/v1/notification-channels/${name}` },
      }}
    >
      <p>{text.deleteAbout}</p>
    </ConfirmAct>
  );
}
