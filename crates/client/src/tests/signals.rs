//! A viewer whose connection is lost looks at the same sensors again.

use super::node::{Manner, Node};
use super::{connect, in_time};
use crate::signals::{Act, Level, SignalsError, SignalsEvent, View, Visible};

/// The next frame of the client that has a text in it.
async fn heard(node: &mut Node, wanted: &str) -> String {
    in_time(async {
        loop {
            let frame = node.heard().await;
            if frame.contains(wanted) {
                return frame;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_viewer_looks_at_the_same_again_after_a_reconnection() {
    let mut node = Node::start(Manner::Kind).await;
    let client = connect(&node).await;
    let mut signals = client.watch_signals("page", &View::of(["first"])).await.unwrap();
    assert!(heard(&mut node, "signals:page").await.contains("first"));
    let shown = signals.show(&View::of(["second"]).at(Level::High)).await.unwrap();
    assert_eq!(shown, Visible { watching: 1, unknown: 1 });
    assert_eq!(signals.begin(Act::Pin, "second", Some("ecg")).await.unwrap(), Some(Level::High));
    let refused = signals.show_also(&View::of(["refused"])).await.unwrap_err();
    assert!(matches!(&refused, SignalsError::Refused { field: Some(field), .. } if field == "sensor_ids"), "{refused}");
    heard(&mut node, "refused").await;

    let other = client.join("room:1", serde_json::json!({})).await.unwrap();
    other.send("drop_the_socket", serde_json::json!({})).await.unwrap();
    assert!(matches!(in_time(signals.next()).await.unwrap(), Some(SignalsEvent::Disconnected)));
    assert!(matches!(in_time(signals.next()).await.unwrap(), Some(SignalsEvent::Rejoined)));
    let hearing = async {
        let shown = heard(&mut node, "set_visible").await;
        let pinned = heard(&mut node, "\"pin\"").await;
        (shown, pinned)
    };
    let (shown, pinned) = tokio::select! {
        said = hearing => said,
        event = signals.next() => panic!("nothing more happens: {event:?}"),
    };
    assert!(shown.contains("second") && shown.contains("high") && !shown.contains("refused"), "{shown}");
    assert!(pinned.contains("ecg"), "{pinned}");
}
