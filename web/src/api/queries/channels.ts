/** Notification channels: what is declared, a test, and what became of each notice. */
import { api, unwrap, type Schemas } from '../client';
import { pagedList } from '../pages';
import type { Cluster } from './clusters';

export type Channel = Cluster;
export type Delivery = Schemas['Delivery'];
export type DeliveryState = Schemas['DeliveryState'];

export const channels = {
  list: () =>
    pagedList<Channel>(['notification-channels', 'list'], (page, signal) =>
      unwrap(api.GET('/api/v1/notification-channels', { params: { query: page }, signal })),
    ),
  deliveries: (name: string, state: DeliveryState | undefined) =>
    pagedList<Delivery>(['notification-channels', 'deliveries', name, state], (page, signal) =>
      unwrap(
        api.GET('/api/v1/notification-channels/{name}/deliveries', {
          params: { path: { name }, query: { ...page, ...(state !== undefined && { state }) } },
          signal,
        }),
      ),
    ),
};

export const channelOf = (channel: Channel) =>
  channel.spec as unknown as Schemas['NotificationChannelSpec'];

export const testChannel = (name: string) =>
  unwrap(api.POST('/api/v1/notification-channels/{name}/test', { params: { path: { name } } }));

export const saveChannel = (
  document: Schemas['NotificationChannelDocument'],
  revision: string | undefined,
) =>
  unwrap(
    api.PUT('/api/v1/notification-channels/{name}', {
      params: {
        path: { name: document.metadata.name },
        header: revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision },
      },
      body: document,
    }),
  );

export const deleteChannel = (name: string, revision: string) =>
  unwrap(
    api.DELETE('/api/v1/notification-channels/{name}', {
      params: { path: { name }, header: { 'If-Match': revision } },
    }),
  );
