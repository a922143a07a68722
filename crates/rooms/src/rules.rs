//! Who may do what: one table, which every surface and every test reads.

use sensocto_model::room::RoomVerb;
use sensocto_model::{Role, RoomError};

/// What somebody is towards a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// In it, with a role.
    In(Role),
    /// Not in it, and may know of it: it is public, or they have its join code.
    Beside,
    /// Must not know of it.
    Outside,
}

impl Standing {
    /// All of them, in the order of the columns of the table.
    pub const ALL: [Standing; 5] = [
        Standing::In(Role::Owner),
        Standing::In(Role::Admin),
        Standing::In(Role::Member),
        Standing::Beside,
        Standing::Outside,
    ];
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Yes,
    /// It is done to those of a lower role.
    Below,
    /// It is not done.
    No(RoomError),
}

use RoomError::{AlreadyMember, Forbidden, NotAMember, NotFound, OwnerCannotLeave};
use Verdict::{Below, No, Yes};

/// The columns: owner, admin, member, beside, outside.
const TABLE: [(RoomVerb, [Verdict; 5]); 12] = [
    (RoomVerb::Create, [Yes, Yes, Yes, Yes, Yes]),
    (RoomVerb::Get, [Yes, Yes, Yes, Yes, No(NotFound)]),
    (RoomVerb::Update, [Yes, Yes, No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::Delete, [Yes, No(Forbidden), No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::Join, [No(AlreadyMember), No(AlreadyMember), No(AlreadyMember), Yes, No(NotFound)]),
    (RoomVerb::Leave, [No(OwnerCannotLeave), Yes, Yes, No(NotAMember), No(NotFound)]),
    (RoomVerb::Kick, [Yes, Below, No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::Promote, [Yes, No(Forbidden), No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::Demote, [Yes, No(Forbidden), No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::RegenerateCode, [Yes, Yes, No(Forbidden), No(Forbidden), No(NotFound)]),
    (RoomVerb::AddSensor, [Yes, Yes, Yes, No(Forbidden), No(NotFound)]),
    (RoomVerb::RemoveSensor, [Yes, Yes, No(Forbidden), No(Forbidden), No(NotFound)]),
];

/// What the table says of an operation by somebody of a standing.
#[must_use]
pub fn verdict(verb: RoomVerb, standing: Standing) -> Verdict {
    let column = Standing::ALL.iter().position(|known| *known == standing);
    let row = TABLE.iter().find(|(known, _)| *known == verb);
    // Each operation has its row and each standing its column, which a test shows.
    row.zip(column).map_or(No(NotFound), |((_, verdicts), column)| verdicts[column])
}

/// Whether an operation may be done, with what it is to be done to where that is a member: `target` is their role, `None` where they
/// are not in the room.
///
/// # Errors
/// The error that the table, or the role of the target, gives.
pub fn rule(verb: RoomVerb, standing: Standing, target: Option<Role>) -> Result<(), RoomError> {
    let below = match verdict(verb, standing) {
        No(error) => return Err(error),
        Yes => false,
        Below => true,
    };
    match (verb, target) {
        (RoomVerb::Kick | RoomVerb::Promote | RoomVerb::Demote, None) => Err(NotAMember),
        (RoomVerb::Kick, Some(Role::Owner)) => Err(RoomError::CannotKickOwner),
        (RoomVerb::Promote | RoomVerb::Demote, Some(Role::Owner)) => Err(RoomError::CannotChangeOwner),
        (RoomVerb::Promote, Some(Role::Admin)) => Err(RoomError::AlreadyAdmin),
        (RoomVerb::Demote, Some(Role::Member)) => Err(AlreadyMember),
        (_, Some(role)) if below && Standing::In(role) >= standing => Err(Forbidden),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_one_row_and_nobody_outside_learns_that_a_room_exists() {
        for verb in RoomVerb::ALL {
            assert_eq!(TABLE.iter().filter(|(known, _)| *known == verb).count(), 1, "{verb}");
            if verb != RoomVerb::Create {
                assert_eq!(verdict(verb, Standing::Outside), No(NotFound), "{verb}");
            }
        }
    }

    #[test]
    fn an_admin_puts_out_members_alone() {
        let admin = Standing::In(Role::Admin);
        assert_eq!(rule(RoomVerb::Kick, admin, Some(Role::Member)), Ok(()));
        assert_eq!(rule(RoomVerb::Kick, admin, Some(Role::Admin)), Err(Forbidden));
        assert_eq!(rule(RoomVerb::Kick, admin, Some(Role::Owner)), Err(RoomError::CannotKickOwner));
        assert_eq!(rule(RoomVerb::Kick, Standing::In(Role::Owner), Some(Role::Admin)), Ok(()));
    }
}
