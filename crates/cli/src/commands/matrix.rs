//! `sensocto cluster matrix`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::watched::unknown;
use crate::api::Api;
use crate::args::NodeArgs;
use crate::failure::Failure;
use crate::output::{self, Table, printable};

const PROPAGATION: &str = "/api/v1/cluster/propagation";

#[derive(Deserialize)]
struct Matrix {
    node: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    to: String,
    from: BTreeMap<String, Times>,
}

#[derive(Deserialize)]
struct Times {
    samples: u64,
    p50_us: u64,
    p99_us: u64,
    error_us: u64,
}

pub(super) fn run(args: &NodeArgs) -> Result<(), Failure> {
    let raw: Box<RawValue> = Api::new(&args.url, args.token.as_deref())?.get(PROPAGATION, &[])?;
    if args.json {
        return Ok(output::line(raw.get())?);
    }
    for line in lines(&serde_json::from_str(raw.get()).map_err(unknown)?) {
        output::line(&line)?;
    }
    Ok(())
}

fn lines(matrix: &Matrix) -> Vec<String> {
    let names: BTreeSet<&str> =
        matrix.rows.iter().flat_map(|row| row.from.keys().map(String::as_str).chain([row.to.as_str()])).collect();
    let heads: Vec<String> =
        std::iter::once("TO".to_owned()).chain(names.iter().map(|from| format!("FROM {from}"))).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut table = Table::new(&heads);
    for row in &matrix.rows {
        let cell = |from: &&str| match row.from.get(*from) {
            Some(times) => {
                format!("{} / {} ±{} ({})", ms(times.p50_us), ms(times.p99_us), ms(times.error_us), times.samples)
            }
            None => "-".to_owned(),
        };
        table.row(std::iter::once(row.to.clone()).chain(names.iter().map(cell)));
    }
    let about = format!(
        "p50 / p99 in ms from a change on one node until it is in the world of another, the error of the clocks, and how many changes \
         were measured; as node {} knows it",
        printable(&matrix.node)
    );
    [about, String::new()].into_iter().chain(table.lines()).collect()
}

fn ms(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_a_cell() {
        let times = serde_json::json!({"samples": 60, "p50_us": 412, "p99_us": 1_900, "error_us": 90, "age_ms": 3});
        let matrix = serde_json::json!({"node": "a", "rows": [
            {"to": "a", "age_ms": 0, "from": {"b": times}},
            {"to": "b", "age_ms": 12, "from": {}}
        ]});
        let lines = lines(&serde_json::from_value(matrix).expect("the form of a node"));
        assert_eq!(lines[2..], ["TO  FROM a  FROM b", "a   -       0.41 / 1.90 ±0.09 (60)", "b   -       -"]);
    }
}
