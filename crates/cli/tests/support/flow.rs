//! Sensors that send at a steady pace, and viewers that note how old the samples are that they see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::thin::{Frame, Thin};

/// Messages of one socket that carry measurements, each second.
const TICKS: u32 = 100;

/// Sensors of one node that measure until they are dropped. The payload of a sample is the time at which it was sent.
pub(crate) struct Sensors {
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

/// How much sensors measure.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) sensors: usize,
    pub(crate) sockets: usize,
    /// Messages a second of each sensor.
    pub(crate) hz: u32,
    /// Measurements in each message.
    pub(crate) batch: usize,
    /// Bytes of padding in each payload.
    pub(crate) padding: usize,
}

/// A time, as it travels: microseconds, as a text, which no node takes for milliseconds since 1970.
fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).expect("a short test")
}

impl Sensors {
    /// Brings sensors `<prefix>0`, `<prefix>1`, … in, and has them measure.
    pub(crate) async fn start(address: SocketAddr, prefix: &str, pace: Pace, start: Instant) -> Sensors {
        let (stop, sent) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for socket in 0..pace.sockets {
            let ids: Vec<String> =
                (socket..pace.sensors).step_by(pace.sockets).map(|sensor| format!("{prefix}{sensor}")).collect();
            let mut thin = Thin::connect(address, None).await;
            for (place, id) in ids.iter().enumerate() {
                let join = format!(
                    r#"{{"connector_id":"c{socket}","connector_name":"Pi","sensor_id":"{id}","sensor_name":"{id}","sensor_type":"test",
                    "attributes":{{"value":{{}}}},"sampling_rate":{},"batch_size":1,"bearer_token":"missing"}}"#,
                    pace.hz
                );
                thin.send(&format!(r#"["{place}","{place}","sensocto:sensor:{id}","phx_join",{join}]"#)).await;
                while !matches!(thin.next().await, Frame::Text(text) if text.contains("backpressure_config")) {}
            }
            tasks.spawn(measure(thin, ids, pace, start, stop.clone(), Arc::clone(&sent)));
        }
        Sensors { stop, sent, tasks }
    }

    /// Measurements sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends them.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no sensor fails");
        }
    }
}

/// Sends what is due in each hundredth of a second, sensor after sensor, so that they do not all measure at one moment.
async fn measure(
    mut thin: Thin,
    ids: Vec<String>,
    pace: Pace,
    start: Instant,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
) {
    let padding = "x".repeat(pace.padding);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / TICKS);
    let (mut due, mut next) = (0.0, 0);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            // What the node says is read, or it would close the socket.
            _ = thin.next() => continue,
        }
        due += ids.len() as f64 * f64::from(pace.hz) / f64::from(TICKS);
        while due >= 1.0 {
            due -= 1.0;
            let (place, id) = (next % ids.len(), &ids[next % ids.len()]);
            next += 1;
            let now = micros(start);
            let payload =
                if padding.is_empty() { now.to_string() } else { format!(r#"{{"t":{now},"x":"{padding}"}}"#) };
            let one = format!(r#"{{"attribute_id":"value","payload":{payload},"timestamp":"{now}"}}"#);
            let all = vec![one; pace.batch].join(",");
            thin.send(&format!(r#"["{place}","9","sensocto:sensor:{id}","measurements_batch",[{all}]]"#)).await;
            sent.fetch_add(pace.batch as u64, Ordering::Relaxed);
        }
    }
}

/// How old samples were when a viewer had them.
pub(crate) struct Ages {
    ages: mpsc::UnboundedReceiver<Duration>,
    tasks: JoinSet<()>,
}

/// What one viewer looks at.
pub(crate) struct View {
    pub(crate) topic: String,
    pub(crate) params: String,
}

impl Ages {
    /// Viewers that read until this is dropped.
    pub(crate) async fn watch(address: SocketAddr, views: Vec<View>, start: Instant) -> Ages {
        let (sender, ages) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for View { topic, params } in views {
            let mut thin = Thin::connect(address, None).await;
            let reply = thin.join(&topic, &params).await;
            assert!(reply.contains(r#""status":"ok""#), "{reply}");
            tasks.spawn(note(thin, start, sender.clone()));
        }
        Ages { ages, tasks }
    }

    /// Forgets what was seen before, and takes what is seen in the meantime.
    pub(crate) async fn during(&mut self, time: Duration) -> Vec<Duration> {
        while self.ages.try_recv().is_ok() {}
        tokio::time::sleep(time).await;
        std::iter::from_fn(|| self.ages.try_recv().ok()).collect()
    }

    /// How many viewers there still are.
    pub(crate) fn viewers(&self) -> usize {
        self.tasks.len()
    }
}

async fn note(mut thin: Thin, start: Instant, ages: mpsc::UnboundedSender<Duration>) {
    loop {
        let Frame::Text(text) = thin.next().await else { return };
        if !text.contains("sensor_batch") {
            continue;
        }
        let now = micros(start);
        // Reading the numbers where they are costs less than reading the whole message, and there are thousands.
        for part in text.split(r#""timestamp":""#).skip(1) {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            let Ok(sent) = digits.parse::<u64>() else { continue };
            if ages.send(Duration::from_micros(now.saturating_sub(sent))).is_err() {
                return;
            }
        }
    }
}
