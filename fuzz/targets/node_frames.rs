//! Frames of other nodes: published, as an answer, and as a question. The checksum is made right, so that what is behind it is reached.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sensocto_model::{Generation, NodeName, Origin, Version};
use sensocto_registry::message::{self, Delta, FORMAT, Message};
use sensocto_registry::{Config, Now, Output, Registry};
use xxhash_rust::xxh3::xxh3_64;

fn origin(name: &str) -> Option<Origin> {
    Some(Origin { node: NodeName::new(name).ok()?, generation: Generation(1) })
}

/// A node that knows another one and has asked it something; the number of the question.
fn standing(now: Now) -> Option<(Registry, u64)> {
    let config = Config { range_entries_max: 1, delta_bytes_max: 64, ..Config::default() };
    let mut registry = Registry::new(origin("a")?, config, now);
    let (after, upto) = (Version(5), Version(6));
    let gap = Delta { after, upto, read_at: upto, removals: Vec::new(), puts: Vec::new() };
    registry.handle_frame(&message::encode(&origin("b")?, &Message::Delta(gap)), now).ok()?;
    let asked = std::iter::from_fn(|| registry.poll_output()).find_map(|output| match output {
        Output::Ask { id, .. } => Some(id),
        Output::Publish(_)
        | Output::Event(_)
        | Output::Superseded { .. }
        | Output::NameTaken { .. }
        | Output::Overtaken { .. } => None,
    });
    Some((registry, asked?))
}

fuzz_target!(|bytes: &[u8]| {
    let _ = message::decode(bytes);
    let mut frame = vec![FORMAT];
    frame.extend_from_slice(bytes);
    frame.extend_from_slice(&xxh3_64(&frame).to_le_bytes());
    if let Ok((sender, message)) = message::decode(&frame) {
        let again = message::encode(&sender, &message);
        assert_eq!(message::decode(&again), Ok((sender, message)));
    }
    let mut now = Now { mono: Duration::from_secs(10), wall_ms: 1_767_000_000_000 };
    let Some((mut registry, asked)) = standing(now) else { return };
    let _ = registry.handle_answer_frame(asked, &frame, now);
    let _ = registry.handle_frame(&frame, now);
    registry.handle_answer_end(asked, true, now);
    if let Ok(Some(answer)) = registry.answer(&frame) {
        assert!(answer.take(100).all(|frame| message::decode(&frame).is_ok()));
    }
    now.mono += Duration::from_secs(1);
    registry.handle_tick(now);
    while registry.poll_output().is_some() {}
    let _ = registry.view();
});
