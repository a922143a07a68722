//! `sensocto simulate`.

use std::time::Duration;

use sensocto_gateway::{SigningKey, UserClaims};
use sensocto_model::UserId;
use serde_json::json;

use crate::api::host_of;
use crate::args::SimulateArgs;
use crate::failure::Failure;
use crate::simulator::tally::Counts;
use crate::simulator::{Fleet, Plan, User, kinds};
use crate::{output, stop};

/// Longer than any simulation that somebody watches.
const TOKENS_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

const NAMES: [&str; 10] = ["Ana", "Ben", "Chloé", "Deniz", "Emeka", "Fatima", "Goran", "Hana", "Ines", "Jun"];

pub(super) async fn run(args: SimulateArgs) -> Result<(), Failure> {
    let json = args.json;
    let duration = args.duration.map(|time| time.0);
    let fleet = Fleet::start(plan(args)?).await?;
    match duration {
        Some(duration) => {
            // Either ends it: the time that was asked for, or a person who has seen enough.
            let _ = tokio::time::timeout(duration, stop::requested()).await;
        }
        None => stop::requested().await?,
    }
    let counts = fleet.tally().counts();
    let first_error = fleet.tally().first_error().map(str::to_owned);
    fleet.stop().await;
    output::line(&if json { summary_json(&counts, first_error.as_deref()) } else { summary(&counts) })?;
    match first_error {
        Some(problem) => Err(Failure::failed(format!("{} joins failed, the first: {problem}", counts.errors))),
        None => Ok(()),
    }
}

fn plan(args: SimulateArgs) -> Result<Plan, Failure> {
    let urls =
        args.urls.iter().map(|url| Ok(format!("ws://{}", host_of(url)?))).collect::<Result<Vec<_>, Failure>>()?;
    let users = match (args.users, &args.signing_key_file) {
        (0, _) => Vec::new(),
        (count, Some(file)) => users(count, &SigningKey::read(file).map_err(Failure::usage)?)?,
        (_, None) => {
            return Err(Failure::usage(
                "--users needs --signing-key-file, the key of the nodes, to make their tokens with",
            ));
        }
    };
    Ok(Plan {
        urls,
        sensors: args.sensors,
        kinds: kinds::chosen(&args.types).map_err(Failure::Usage)?,
        rate: args.rate,
        churn: args.churn,
        rooms: args.rooms,
        token: args.token,
        users,
    })
}

/// So many people, with tokens made with `key`.
pub(super) fn users(count: u32, key: &SigningKey) -> Result<Vec<User>, Failure> {
    let user = |index: u32| {
        let first = NAMES[index as usize % NAMES.len()];
        let round = index as usize / NAMES.len();
        let name = if round == 0 { first.to_owned() } else { format!("{first} {}", round + 1) };
        let token = key.mint_user(&claims(&format!("sim-user-{:02}", index + 1), &name)?).map_err(Failure::failed)?;
        Ok(User { name, token })
    };
    (0..count).map(user).collect()
}

/// For whom a token is made that outlives the simulation.
pub(super) fn claims(user_id: &str, name: &str) -> Result<UserClaims, Failure> {
    let user_id = UserId::new(user_id).map_err(|error| Failure::failed(format!("{user_id} is no id: {error}")))?;
    Ok(UserClaims { user_id, name: name.to_owned(), valid_for: TOKENS_VALID_FOR })
}

fn summary(counts: &Counts) -> String {
    let Counts { registered, unregistered, users, measurements, errors, reconnects } = counts;
    format!(
        "{registered} sensors registered, {unregistered} left, {users} users present, {measurements} measurements sent, \
         {errors} errors, {reconnects} reconnections"
    )
}

fn summary_json(counts: &Counts, first_error: Option<&str>) -> String {
    json!({"summary": counts, "first_error": first_error}).to_string()
}
