//! `sensocto token`: signing keys, and tokens made with them.

use std::time::Duration;

use sensocto_gateway::{SigningKey, UserClaims};

use crate::args::{Holder, KeyCommand, TokenArgs, TokenCommand};
use crate::failure::Failure;
use crate::output;

const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Key(KeyCommand::Create { file }) => {
            SigningKey::create(&file).map_err(Failure::usage)?;
            Ok(output::line(&format!(
                "a new signing key is in {}; give it to every node as --signing-key-file",
                file.display()
            ))?)
        }
        TokenCommand::Create(args) => Ok(output::line(&create(&args)?)?),
    }
}

fn create(args: &TokenArgs) -> Result<String, Failure> {
    let key = SigningKey::read(&args.signing_key_file).map_err(Failure::usage)?;
    let minted = match args.holder {
        Holder::User => key.mint_user(&claims(args, DAY)?),
        Holder::Sensor => key.mint_sensor(&claims(args, 30 * DAY)?),
        Holder::Guest if args.user.is_some() || args.name.is_some() || args.valid_for.is_some() => {
            return Err(Failure::usage(
                "a guest has no --user, --name or --for: its id is made up, and it is good for as long as the key",
            ));
        }
        Holder::Guest => key.mint_guest(),
    };
    minted.map_err(Failure::usage)
}

fn claims(args: &TokenArgs, valid_for: Duration) -> Result<UserClaims, Failure> {
    let user =
        args.user.as_ref().ok_or_else(|| Failure::usage("--user ID is needed: the user whom the token is for"))?;
    let valid_for = args.valid_for.map_or(valid_for, |given| given.0);
    if valid_for.is_zero() {
        return Err(Failure::usage("a token that is good for no time is of no use; give --for 24h, for example"));
    }
    let name = args.name.as_deref().unwrap_or(user.as_str());
    Ok(UserClaims { user_id: user.clone(), name: name.to_owned(), valid_for })
}
