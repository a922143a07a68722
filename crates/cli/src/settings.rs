//! What was typed, and the file below it.

#[cfg(test)]
mod tests;

use sensocto_settings::{Layer, Settings, SettingsError};

use crate::args::ServeArgs;

/// Settles what was typed, with the file that `--config` names read and below it.
///
/// # Errors
/// The first thing that is wrong, with what to do about it.
pub(crate) fn of(args: &ServeArgs) -> Result<Settings, SettingsError> {
    let file = match &args.config {
        Some(path) => Layer::read(path)?,
        None => Layer::default(),
    };
    Settings::settle(typed(args).over(file))
}

/// What came by flag or environment; of these two, `clap` has let the flag win.
fn typed(args: &ServeArgs) -> Layer {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Layer {
        name: args.name.clone(),
        cluster: args.cluster.clone(),
        http: args.http,
        http_advertise: args.http_advertise.clone(),
        peer: args.peer,
        join: some(&args.join),
        data: args.data.clone(),
        signing_key_file: args.signing_key_file.clone(),
        insecure_open: args.insecure_open.then_some(true),
        peer_ca: args.peer_ca.clone(),
        peer_cert: args.peer_cert.clone(),
        peer_key: args.peer_key.clone(),
        allowed_origins: some(&args.allowed_origin),
        grace: args.grace,
        log_format: args.log_format,
    }
}
