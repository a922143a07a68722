//! When users who left were last here.

use std::collections::BTreeMap;

use sensocto_node::UserId;

/// Users that are remembered after they left. When it is full, whoever left first is forgotten. About 100 bytes each.
const USERS_MAX: usize = 100_000;

/// The users who left while this node ran.
#[derive(Debug)]
pub(crate) struct LastSeen {
    users: BTreeMap<UserId, (u64, u64)>,
    order: BTreeMap<u64, UserId>,
    next: u64,
    max: usize,
}

impl Default for LastSeen {
    fn default() -> LastSeen {
        LastSeen::of(USERS_MAX)
    }
}

impl LastSeen {
    fn of(max: usize) -> LastSeen {
        LastSeen { users: BTreeMap::new(), order: BTreeMap::new(), next: 0, max }
    }

    /// A user's last connection went.
    pub(crate) fn left(&mut self, user: &UserId, wall_ms: u64) {
        self.is_back(user);
        while self.users.len() >= self.max {
            let Some((_, forgotten)) = self.order.pop_first() else { return };
            self.users.remove(&forgotten);
        }
        self.users.insert(user.clone(), (wall_ms, self.next));
        self.order.insert(self.next, user.clone());
        self.next += 1;
    }

    /// A user is here.
    pub(crate) fn is_back(&mut self, user: &UserId) {
        if let Some((_, number)) = self.users.remove(user) {
            self.order.remove(&number);
        }
    }

    /// When a user left, in milliseconds since 1970 by this node's clock; `None` where that is not known.
    pub(crate) fn get(&self, user: &str) -> Option<u64> {
        self.users.get(user).map(|(wall_ms, _)| *wall_ms)
    }

    /// The users from the first id after `after` on.
    pub(crate) fn after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = (&'a UserId, u64)> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.users.range::<str, _>((start, Bound::Unbounded)).map(|(user, (wall_ms, _))| (user, *wall_ms))
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("an id")
    }

    #[test]
    fn whoever_left_first_is_forgotten_first_and_coming_back_counts() {
        let mut seen = LastSeen::of(2);
        seen.left(&user("a"), 1);
        seen.left(&user("b"), 2);
        seen.left(&user("a"), 3);
        seen.left(&user("c"), 4);
        assert_eq!((seen.get("a"), seen.get("b"), seen.get("c")), (Some(3), None, Some(4)));
        seen.is_back(&user("a"));
        assert_eq!((seen.get("a"), seen.len(), seen.order.len()), (None, 1, 1));
    }
}
