//! The command line.

use sensocto_sim::{Scenario, scenarios};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Deterministic simulator of the replicated registry.

  sim --seed N                 one run, with its log
  sim --seeds COUNT            many runs on all cores; the seeds in seeds/regress.txt come first
      --first-seed N           from this seed on (0)
      --minutes M              as many as go into M minutes, instead of COUNT
      --scenario NAME          how plans are drawn (swarm)
      --twice                  run each seed twice, and compare
      --points                 fail where a named place is reached by no seed
      --json                   one line for programs at the end
      --explain N              cut down the first N failing seeds and print their logs (1)
      --planted FAULT|all      with the feature `planted`: seeds until the fault is caught

Exit code 1: a rule did not hold.
";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) seed: Option<u64>,
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    pub(crate) minutes: Option<u64>,
    pub(crate) scenario: Scenario,
    pub(crate) twice: bool,
    pub(crate) points: bool,
    pub(crate) json: bool,
    pub(crate) explain: usize,
    pub(crate) planted: Option<String>,
}

impl Args {
    /// `None` asks for help.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
        let Some(swarm) = scenarios().first().copied() else { return Err("there is no scenario".to_owned()) };
        let mut args = Args {
            seed: None,
            seeds: 2_000,
            first_seed: 0,
            minutes: None,
            scenario: swarm,
            twice: false,
            points: false,
            json: false,
            explain: 1,
            planted: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seed" => args.seed = Some(number(&value()?)?),
                "--seeds" => args.seeds = number(&value()?)?,
                "--first-seed" => args.first_seed = number(&value()?)?,
                "--minutes" => args.minutes = Some(number(&value()?)?),
                "--explain" => args.explain = usize::try_from(number(&value()?)?).unwrap_or(usize::MAX),
                "--scenario" => args.scenario = scenario(&value()?)?,
                "--planted" => args.planted = Some(value()?),
                "--twice" => args.twice = true,
                "--points" => args.points = true,
                "--json" => args.json = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("{other} is not an option")),
            }
        }
        if args.planted.is_some() && !cfg!(feature = "planted") {
            return Err("--planted needs a build with the feature `planted`".to_owned());
        }
        Ok(Some(args))
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn scenario(name: &str) -> Result<Scenario, String> {
    let names = || scenarios().iter().map(|scenario| format!("{} ({})", scenario.name, scenario.about));
    scenarios()
        .iter()
        .find(|scenario| scenario.name == name)
        .copied()
        .ok_or_else(|| format!("there is no scenario {name}; there are: {}", names().collect::<Vec<_>>().join(", ")))
}
