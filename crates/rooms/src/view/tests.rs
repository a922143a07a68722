use proptest::prelude::*;
use sensocto_model::{Generation, NodeName, Origin, Role, RoomSettings, Term};

use super::*;

fn user(number: u8) -> UserId {
    UserId::new(&format!("u{number}")).expect("an id")
}

const NAMES: [&str; 5] = ["Lab", "lab 2", "Library", "Garden", "\u{e9}tage"];

fn room(id: u8, owner: u8, is_public: bool, members: u8, named: u8) -> Room {
    let mut in_it: std::collections::BTreeMap<UserId, Role> =
        (0..4).filter(|bit| members & (1 << bit) != 0).map(|bit| (user(bit), Role::Member)).collect();
    in_it.insert(user(owner), Role::Owner);
    Room {
        id: RoomId::new(&format!("r{id:03}")).expect("an id"),
        settings: Arc::new(RoomSettings {
            is_public,
            name: NAMES[usize::from(named) % NAMES.len()].to_owned(),
            ..RoomSettings::default()
        }),
        owner_id: user(owner),
        join_code: JoinCode::from_random([id; 8]),
        members: in_it,
        sensor_ids: std::collections::BTreeSet::new(),
        removed_sensor_ids: std::collections::BTreeSet::new(),
        created_at_ms: 0,
        updated_at_ms: u64::from(named / 3),
        term: Term { number: 1, home: Origin { node: NodeName::new("a").expect("a name"), generation: Generation(1) } },
    }
}

proptest! {
    #[test]
    fn every_page_is_what_a_plain_search_finds(
        changes in prop::collection::vec((0..20_u8, 0..4_u8, any::<bool>(), 0..16_u8, 0..5_u8, 0..15_u8), 0..80),
        limit in 1..6_usize,
    ) {
        let mut view = RoomsView::default();
        for (id, owner, is_public, members, gone, named) in changes {
            // A room keeps its owner.
            let owner = view.get(&format!("r{id:03}")).map_or(owner, |room| room.owner_id.as_str().as_bytes()[1] - b'0');
            let room = Arc::new(room(id, owner, is_public, members, named));
            view.replace(&room.id, (gone > 0).then_some(&room));
        }
        let viewers = [None, Some(user(0)), Some(user(3)), Some(user(9))];
        let owners = [None, Some(user(0)), Some(user(1))];
        for viewer in &viewers {
            for owner in &owners {
                for mine in [false, true] {
                    for public in [None, Some(true), Some(false)] {
                        for prefix in [None, Some("LA"), Some("x")] {
                            for order in RoomOrder::ALL {
                                let (viewer, owner) = (viewer.clone(), owner.clone());
                                let name_prefix = prefix.map(str::to_owned);
                                let query = RoomQuery { viewer, owner, mine, public, name_prefix, order };
                                check(&view, &query, limit)?;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn check(view: &RoomsView, query: &RoomQuery, limit: usize) -> Result<(), TestCaseError> {
    let viewer = query.viewer.as_ref().map(UserId::as_str);
    let mut plain: Vec<&Arc<Room>> = view
        .iter()
        .filter(|room| room.settings.is_public || viewer.is_some_and(|viewer| room.members.contains_key(viewer)))
        .filter(|room| query.owner.as_ref().is_none_or(|owner| room.owner_id == *owner))
        .filter(|room| !query.mine || viewer.is_some_and(|viewer| room.members.contains_key(viewer)))
        .filter(|room| query.public.is_none_or(|public| public == room.settings.is_public))
        .filter(|room| {
            let prefix = query.name_prefix.as_deref().unwrap_or_default().to_lowercase();
            room.settings.name.to_lowercase().starts_with(&prefix)
        })
        .collect();
    match query.order {
        RoomOrder::Id => {}
        RoomOrder::Name => plain.sort_by_key(|room| (room.settings.name.to_lowercase(), room.id.clone())),
        RoomOrder::Changed => plain.sort_by_key(|room| (std::cmp::Reverse(room.updated_at_ms), room.id.clone())),
    }
    let plain: Vec<String> = plain.into_iter().map(|room| room.id.to_string()).collect();
    let mut paged = Vec::new();
    let mut after: Option<RoomPlace> = None;
    loop {
        let (page, more) = view.list(query, after.as_ref(), limit);
        prop_assert!(page.iter().all(|room| query.finds(room)));
        paged.extend(page.iter().map(|room| room.id.to_string()));
        after = page.last().map(|room| query.order.place(room));
        if let Some(place) = &after {
            let (by, id) = place.parts();
            prop_assert_eq!(&RoomPlace::of_parts(by, id), place);
        }
        if !more {
            break;
        }
    }
    prop_assert_eq!(&paged, &plain, "{:?}", query);
    prop_assert_eq!(view.total(query), plain.len(), "{:?}", query);
    Ok(())
}
