//! Pages and totals.
//!
//! A query is read from the smallest set of rooms that holds all that it finds: the public ones, those of one person, or both merged.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use sensocto_model::{Room, UserId};

use super::order::{RoomOrder, RoomPlace, fold};
use super::{Index, Own, RoomQuery, RoomsView};

/// A room and the text that stands for it in the order of the query.
type Line<'a> = (Cow<'a, str>, &'a Arc<Room>);
type Lines<'a> = Box<dyn Iterator<Item = Line<'a>> + 'a>;

/// What a query is read with.
struct Reading<'a> {
    order: RoomOrder,
    after: Option<&'a str>,
    /// Folded.
    prefix: Option<String>,
}

impl Reading<'_> {
    /// Where to begin among names, and whether a name is still among those that are sought.
    fn in_names(&self) -> Bound<String> {
        let after = self.after.filter(|_| self.order == RoomOrder::Name);
        match (&self.prefix, after) {
            (Some(prefix), Some(after)) if after < prefix.as_str() => Bound::Included(prefix.clone()),
            (_, Some(after)) => Bound::Excluded(after.to_owned()),
            (Some(prefix), None) => Bound::Included(prefix.clone()),
            (None, None) => Bound::Unbounded,
        }
    }
}

impl RoomsView {
    /// One page of the rooms that a query finds, from behind a place on, and whether there are more.
    #[must_use]
    pub fn list(&self, query: &RoomQuery, after: Option<&RoomPlace>, limit: usize) -> (Vec<Arc<Room>>, bool) {
        let mut rest = self.lines(query, after);
        let found = rest.by_ref().take(limit).map(|(_, room)| Arc::clone(room)).collect();
        (found, rest.next().is_some())
    }

    /// How many rooms a query finds.
    #[must_use]
    pub fn total(&self, query: &RoomQuery) -> usize {
        let of =
            |index: &Index| query.viewer.as_ref().and_then(|viewer| index.get(viewer)).map_or(0, |own| own.ids.len());
        match (&query.owner, query.mine, query.public, &query.name_prefix) {
            (None, false, None, None) => self.visible_total(query.viewer.as_ref()),
            (None, false, Some(true), None) => self.public_total(),
            (None, false | true, Some(false), None) => of(&self.private),
            (None, true, None, None) => of(&self.members),
            (None, true, Some(true), None) => of(&self.members) - of(&self.private),
            // The rooms of one owner, or that one looks for by name, are counted.
            (Some(_), _, _, _) | (None, _, _, Some(_)) => self.lines(query, None).count(),
        }
    }

    fn lines<'a>(&'a self, query: &'a RoomQuery, after: Option<&'a RoomPlace>) -> Lines<'a> {
        let reading = Reading {
            order: query.order,
            after: after.map(|place| &*place.0),
            prefix: query.name_prefix.as_deref().map(fold),
        };
        let of = |index: &'a Index, user: Option<&UserId>| user.and_then(|user| index.get(user));
        let viewer = query.viewer.as_ref();
        let lines = match (&query.owner, query.mine, query.public) {
            (Some(owner), _, _) => self.own_lines(of(&self.owned, Some(owner)), &reading),
            (None, _, Some(false)) => self.own_lines(of(&self.private, viewer), &reading),
            (None, true, None | Some(true)) => self.own_lines(of(&self.members, viewer), &reading),
            (None, false, Some(true)) => self.public_lines(&reading),
            (None, false, None) => match of(&self.private, viewer) {
                None => self.public_lines(&reading),
                own => Box::new(Merged {
                    one: self.public_lines(&reading).peekable(),
                    other: self.own_lines(own, &reading).peekable(),
                }),
            },
        };
        Box::new(lines.filter(|(_, room)| query.finds_but_for_name(room)))
    }

    fn public_lines<'a>(&'a self, reading: &Reading<'_>) -> Lines<'a> {
        let names = &self.public[RoomOrder::Name as usize];
        match (reading.order, reading.prefix.clone()) {
            (RoomOrder::Name, prefix) => {
                let lines = names.range::<_, str>((as_str(&reading.in_names()), Bound::Unbounded));
                let lines = lines.take_while(move |(key, _)| begins(key, prefix.as_deref()));
                Box::new(lines.map(|(key, room)| (Cow::from(&**key), room)))
            }
            (order, None) => {
                let from = reading.after.map_or(Bound::Unbounded, Bound::Excluded);
                let lines = self.public[order as usize].range::<_, str>((from, Bound::Unbounded));
                Box::new(lines.map(|(key, room)| (Cow::from(&**key), room)))
            }
            (order, Some(prefix)) => {
                let lines = names.range::<_, str>((Bound::Included(prefix.as_str()), Bound::Unbounded));
                sorted(
                    lines.take_while(|(key, _)| begins(key, Some(&prefix))).map(|(_, room)| room),
                    order,
                    reading.after,
                )
            }
        }
    }

    fn own_lines<'a>(&'a self, own: Option<&'a Own>, reading: &Reading<'_>) -> Lines<'a> {
        let Some(own) = own else { return Box::new(std::iter::empty()) };
        let room = |id: &str| self.rooms.get(id);
        match (reading.order, reading.prefix.clone()) {
            (RoomOrder::Name, prefix) => {
                let lines = own.names.range::<_, str>((as_str(&reading.in_names()), Bound::Unbounded));
                let lines = lines.take_while(move |(key, _)| begins(key, prefix.as_deref()));
                Box::new(lines.filter_map(move |(key, id)| Some((Cow::from(&**key), room(id.as_str())?))))
            }
            (RoomOrder::Id, None) => {
                let from = reading.after.map_or(Bound::Unbounded, Bound::Excluded);
                let ids = own.ids.range::<_, str>((from, Bound::Unbounded));
                Box::new(ids.filter_map(move |id| Some((Cow::from(id.as_str()), room(id.as_str())?))))
            }
            // Nobody keeps the last changes of everybody's rooms: those of one person are few enough to be sorted.
            (order @ (RoomOrder::Id | RoomOrder::Changed), prefix) => {
                let from = prefix.as_deref().map_or(Bound::Unbounded, Bound::Included);
                let lines = own.names.range::<_, str>((from, Bound::Unbounded));
                let lines = lines.take_while(|(key, _)| begins(key, prefix.as_deref()));
                sorted(lines.filter_map(|(_, id)| room(id.as_str())), order, reading.after)
            }
        }
    }
}

fn as_str(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(text) => Bound::Included(text),
        Bound::Excluded(text) => Bound::Excluded(text),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn begins(key: &str, prefix: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| key.starts_with(prefix))
}

fn sorted<'a>(rooms: impl Iterator<Item = &'a Arc<Room>>, order: RoomOrder, after: Option<&str>) -> Lines<'a> {
    let keyed = rooms.map(|room| (order.key(room), room)).filter(|(key, _)| after.is_none_or(|after| &**key > after));
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    Box::new(keyed.into_iter().map(|(key, room)| (Cow::from(key.to_string()), room)))
}

/// Two ordered lists as one.
struct Merged<'a> {
    one: Peekable<Lines<'a>>,
    other: Peekable<Lines<'a>>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        match (self.one.peek(), self.other.peek()) {
            (Some((one, _)), Some((other, _))) if other < one => self.other.next(),
            (Some(_), _) => self.one.next(),
            (None, _) => self.other.next(),
        }
    }
}
