//! Which channel is told of which alarms: those of one rule in one fleet together, once
//! when they open, once when somebody has taken them on, once when they are over.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_state::command::NewNotice;
use holdfast_state::query::{AlarmView, SilenceView};
use holdfast_types::alarm::{AlarmRule, NoticeKind};
use holdfast_types::resource::{Labels, NotificationChannel, selects};
use holdfast_types::{AlarmId, Name, NoticeId};
use jiff::Timestamp;

use super::{later, older};

/// By what it is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) now: Timestamp,
    /// How long is waited for more of the same before it is told.
    pub(crate) group: Duration,
    /// Alarms that are open, or of which somebody has still to hear the end.
    pub(crate) alarms: &'a [AlarmView],
    /// The channels.
    pub(crate) channels: &'a BTreeMap<Name, NotificationChannel>,
    /// The silences that are not over.
    pub(crate) silences: &'a [SilenceView],
    /// The labels of clusters.
    pub(crate) labels: &'a BTreeMap<Name, Labels>,
}

/// The alarms of one rule in one fleet.
type Group<'a> = ((AlarmRule, Option<&'a Name>), Vec<&'a AlarmView>);

/// What is to be told now.
pub(crate) fn tell(by: &Telling<'_>, mut id: impl FnMut() -> NoticeId) -> Vec<NewNotice> {
    let mut groups: BTreeMap<(AlarmRule, Option<&Name>), Vec<&AlarmView>> = BTreeMap::new();
    for alarm in by.alarms {
        let key = (alarm.rule, alarm.fleet.as_ref());
        groups.entry(key).or_default().push(alarm);
    }
    let groups: Vec<Group<'_>> = groups.into_iter().collect();
    let mut notices = Vec::new();
    for (name, channel) in by.channels {
        for group in &groups {
            by.tell_of(group, (name, channel), &mut id, &mut notices);
        }
    }
    notices
}

/// The silence that keeps an alarm from being told, the one that ends last.
pub(crate) fn is_silenced<'a>(
    alarm: &AlarmView,
    silences: &'a [SilenceView],
    now: Timestamp,
) -> Option<&'a SilenceView> {
    let fits = |silence: &&SilenceView| {
        silence.until > now
            && silence.rule.is_none_or(|rule| rule == alarm.rule)
            && silence
                .fleet
                .as_ref()
                .is_none_or(|fleet| alarm.fleet.as_ref() == Some(fleet))
            && silence
                .cluster
                .as_ref()
                .is_none_or(|cluster| alarm.cluster.as_ref() == Some(cluster))
    };
    silences
        .iter()
        .filter(fits)
        .max_by_key(|silence| silence.until)
}

impl Telling<'_> {
    fn tell_of(
        &self,
        ((rule, fleet), alarms): &Group<'_>,
        (name, channel): (&Name, &NotificationChannel),
        id: &mut impl FnMut() -> NoticeId,
        notices: &mut Vec<NewNotice>,
    ) {
        let told = |alarm: &AlarmView| alarm.told.get(name).copied();
        let unresolved = alarms.iter().filter_map(|alarm| told(alarm));
        let mut thread = unresolved
            .filter(|told| !told.resolved)
            .map(|told| told.thread)
            .min();
        let mut notice = |kind, of: Vec<AlarmId>, remaining: usize| {
            let notice = id();
            notices.push(NewNotice {
                notice,
                channel: name.clone(),
                kind,
                rule: *rule,
                fleet: fleet.cloned(),
                thread: *thread.get_or_insert(notice),
                alarms: of,
                remaining: remaining as u64,
            });
        };
        let open = || alarms.iter().filter(|alarm| alarm.closed_at.is_none());
        let over = || alarms.iter().filter(|alarm| alarm.closed_at.is_some());

        let new = open().filter(|alarm| self.is_new(alarm, (name, channel)));
        let new: Vec<&&AlarmView> = new.collect();
        let waited = |alarm: &&&AlarmView| {
            let wait = channel
                .after
                .map_or(self.group, |after| after.get().max(self.group));
            older(alarm.opened_at, self.now, wait)
        };
        if new.iter().any(waited) {
            // Those that have just opened are told with the first; those that are to
            // escalate later are not.
            let escalates = channel.after.is_some();
            let of = new.iter().filter(|alarm| !escalates || waited(alarm));
            let of: Vec<AlarmId> = of.map(|alarm| alarm.id).collect();
            let before = open().filter(|alarm| told(alarm).is_some()).count();
            let remaining = before + of.len();
            notice(NoticeKind::Opened, of, remaining);
        }

        let taken = open().filter(|alarm| {
            let known = told(alarm).is_some_and(|told| !told.acknowledged);
            known && alarm.acknowledged_at.is_some()
        });
        let taken: Vec<AlarmId> = taken.map(|alarm| alarm.id).collect();
        if !taken.is_empty() {
            let others =
                open().filter(|alarm| told(alarm).is_some() && alarm.acknowledged_at.is_none());
            notice(NoticeKind::Acknowledged, taken, others.count());
        }

        // The end is told in a silence, too: it would be waited for.
        let ended = over().filter(|alarm| told(alarm).is_some_and(|told| !told.resolved));
        let ended: Vec<&&AlarmView> = ended.collect();
        let first = ended.iter().filter_map(|alarm| alarm.closed_at).min();
        if first.is_some_and(|first| later(first, self.group) <= self.now) {
            let of = ended.iter().map(|alarm| alarm.id).collect();
            let remaining = open().filter(|alarm| told(alarm).is_some()).count();
            notice(NoticeKind::Resolved, of, remaining);
        }
    }

    /// Whether a channel is to be told of an open alarm, sooner or later, and was not.
    fn is_new(&self, alarm: &AlarmView, (name, channel): (&Name, &NotificationChannel)) -> bool {
        !alarm.told.contains_key(name)
            // Somebody is at it already.
            && alarm.acknowledged_at.is_none()
            && channel.minimum_severity.unwrap_or_default() <= alarm.severity
            && self.is_in_scope(alarm, (name, channel))
            && is_silenced(alarm, self.silences, self.now).is_none()
    }

    /// Whether an alarm is of what a channel is for. That a channel fails is told on
    /// every other, whatever that is for: nobody may learn of it otherwise.
    fn is_in_scope(
        &self,
        alarm: &AlarmView,
        (name, channel): (&Name, &NotificationChannel),
    ) -> bool {
        if alarm.rule == AlarmRule::ChannelFailing {
            return alarm.subject != format!("notification-channels/{name}");
        }
        let fleet = channel.fleets.is_empty()
            || alarm
                .fleet
                .as_ref()
                .is_some_and(|fleet| channel.fleets.contains(fleet));
        let labels = || {
            let labels = alarm
                .cluster
                .as_ref()
                .and_then(|cluster| self.labels.get(cluster));
            labels.is_some_and(|labels| selects(&channel.selector, labels))
        };
        fleet && (channel.selector.is_empty() || labels())
    }
}
