//! When to end: Ctrl-C, a polite signal, or the end of the program that started this one.

use std::io;

use tokio::sync::oneshot;

use crate::failure::Failure;

/// Waits for Ctrl-C or, where there is one, SIGTERM.
///
/// # Errors
/// The system refuses to deliver signals to this process.
pub(crate) async fn requested() -> Result<(), Failure> {
    signal_received().await.map_err(|error| Failure::failed(format!("signals cannot be heard: {error}")))
}

#[cfg(unix)]
async fn signal_received() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signal_received() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Waits until standard input is closed by whoever holds its other end.
pub(crate) async fn stdin_closed() {
    let (closed, seen) = oneshot::channel();
    // A thread of its own, because the runtime would wait at its end for a read that nothing can interrupt.
    std::thread::spawn(move || {
        // An input that cannot be read is as good as closed.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = closed.send(());
    });
    let _ = seen.await;
}
