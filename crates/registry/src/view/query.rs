//! Lists of sensors: which, in which order, from where on.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use sensocto_model::{Kind, Origin, Record, RoomId, Sensor};

use super::index::{SensorIndex, fold, named};
use super::postings::{Postings, labels_after};
use super::short_text::ShortText;
use super::sorted::Sorted;
use super::table::{Label, Row, Table};
use super::words::SearchText;
use super::{Freshness, Held, View};

/// Up to so many candidates are sorted by a reader where no index has both their filter and their order. With more of them, the
/// index of the order is walked instead, and passes over few lines for each that it finds.
const SORTED_MAX: usize = 4_096;

/// Which sensors; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SensorFilter {
    /// Of this type.
    pub sensor_type: Option<String>,
    /// Of this connector.
    pub connector: Option<String>,
    /// On this node.
    pub node: Option<String>,
    /// In this room; the empty text, which is no room's id: in none.
    pub room: Option<String>,
    /// That measure this attribute.
    pub attribute: Option<String>,
    /// That can be trusted so far.
    pub freshness: Option<Freshness>,
    /// Whose name begins with this, in whatever case.
    pub name_prefix: Option<String>,
    /// Whose name or id has a word for each of these.
    pub text: Option<SearchText>,
}

impl SensorFilter {
    /// Whether every sensor passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == SensorFilter::default()
    }

    /// Whether a sensor on a node passes, but for its freshness, which only a view knows.
    #[must_use]
    pub fn matches(&self, held: &Held, sensor: &Sensor) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.sensor_type, Some(&sensor.sensor_type))
            && is(&self.connector, Some(sensor.connector_id.as_str()))
            && is(&self.node, Some(held.origin.node.as_str()))
            && is(&self.room, Some(room_of(sensor)))
            && self
                .attribute
                .as_deref()
                .is_none_or(|wanted| sensor.attributes.iter().any(|(id, _)| id.as_str() == wanted))
            && self.name_prefix.as_deref().is_none_or(|prefix| fold(&sensor.sensor_name).starts_with(&fold(prefix)))
            && self.text.as_ref().is_none_or(|text| text.matches(sensor))
    }

    /// Whether an entry is a sensor that passes, but for its freshness.
    #[must_use]
    pub fn matches_held(&self, held: &Held) -> bool {
        sensor_of(held).is_some_and(|sensor| self.matches(held, sensor))
    }
}

/// The room that a sensor names, or the empty text.
pub(super) fn room_of(sensor: &Sensor) -> &str {
    sensor.room_id.as_ref().map_or("", RoomId::as_str)
}

fn sensor_of(held: &Held) -> Option<&Sensor> {
    held.entry.record().and_then(Record::as_sensor)
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// By id.
    #[default]
    Id,
    /// By name in lower case, and then by id.
    Name,
    /// The last changed first, as this node heard of the changes.
    Changed,
}

impl Order {
    /// All orders.
    pub const ALL: [Order; 3] = [Order::Id, Order::Name, Order::Changed];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Id => "id",
            Order::Name => "name",
            Order::Changed => "changed",
        }
    }
}

/// A place in a list, whether something stands there or not. Places of one order are comparable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    /// In the order of ids.
    Id(String),
    /// In the order of names.
    Name {
        /// In lower case.
        name: String,
        /// Of two of one name, which.
        id: String,
    },
    /// In the order of changes.
    Changed(u64),
}

impl Position {
    /// The order it is a place in.
    #[must_use]
    pub fn order(&self) -> Order {
        match self {
            Position::Id(_) => Order::Id,
            Position::Name { .. } => Order::Name,
            Position::Changed(_) => Order::Changed,
        }
    }

    /// Where an entry stands whose last change has a number.
    #[must_use]
    pub fn of(order: Order, held: &Held, changed: u64) -> Position {
        let sensor = sensor_of(held);
        let id = || sensor.map(|sensor| sensor.sensor_id.as_str().to_owned()).unwrap_or_default();
        match order {
            Order::Id => Position::Id(id()),
            Order::Name => {
                Position::Name { name: sensor.map(|sensor| fold(&sensor.sensor_name)).unwrap_or_default(), id: id() }
            }
            Order::Changed => Position::Changed(changed),
        }
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Position) -> Ordering {
        match (self, other) {
            (Position::Id(a), Position::Id(b)) => a.cmp(b),
            (Position::Name { name: a, id: a_id }, Position::Name { name: b, id: b_id }) => (a, a_id).cmp(&(b, b_id)),
            (Position::Changed(a), Position::Changed(b)) => b.cmp(a),
            (Position::Id(_) | Position::Name { .. } | Position::Changed(_), _) => self.order().cmp(&other.order()),
        }
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which sensors, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SensorQuery {
    /// Which.
    pub filter: SensorFilter,
    /// In which order.
    pub order: Order,
}

/// One line of a list.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The entry and whose it is.
    pub held: &'a Held,
    /// The number of its last change in this node's view.
    pub changed: u64,
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The lines, in order.
    pub lines: Vec<Line<'a>>,
    /// Whether there are further lines behind them.
    pub more: bool,
}

/// What a list is read from: the shortest of the indexes that have all of its lines.
enum Source<'a> {
    All,
    Value(&'a Postings),
    Origins(Vec<&'a Sorted<Label>>),
    Names,
    /// What was found by words, in order.
    Labels(Vec<Label>),
}

/// A query as it is answered by one view at one moment.
struct Search<'a, 'q> {
    table: &'a Table,
    index: &'a SensorIndex,
    query: &'q SensorQuery,
    prefix: Option<String>,
    /// The origins that pass, where the filter says something about them.
    origins: Option<Vec<&'a Arc<Origin>>>,
    source: Source<'a>,
    candidates: usize,
    /// Whether every candidate passes.
    exact: bool,
}

impl View {
    /// The sensors that a query finds behind a place, at most `limit`.
    #[must_use]
    pub fn sensors(&self, query: &SensorQuery, after: Option<&Position>, limit: usize, mono: Duration) -> Found<'_> {
        let Some(search) = Search::new(self, query, mono, SORTED_MAX) else {
            return Found { lines: Vec::new(), more: false };
        };
        // A place of another order is none in this one.
        let after = after.filter(|after| after.order() == query.order);
        let mut lines = search.lines(after, limit.saturating_add(1));
        let more = lines.len() > limit;
        lines.truncate(limit);
        Found { lines, more }
    }

    /// The place behind which a list goes on when `skip` of its lines behind another place are passed over. Where it has fewer, that
    /// of its last line. Costs a step for each line that is passed over.
    #[must_use]
    pub fn place_behind(
        &self,
        query: &SensorQuery,
        after: Option<&Position>,
        skip: usize,
        mono: Duration,
    ) -> Option<Position> {
        let passed = self.sensors(query, after, skip, mono).lines;
        let last = passed.last().map(|line| Position::of(query.order, line.held, line.changed));
        last.or_else(|| after.cloned())
    }

    /// How many sensors a filter lets pass. With one condition, or none, it is kept and not counted; those that are found by words are
    /// counted, one by one.
    #[must_use]
    pub fn sensors_total(&self, filter: &SensorFilter, mono: Duration) -> usize {
        let query = SensorQuery { filter: filter.clone(), order: Order::Id };
        Search::new(self, &query, mono, usize::MAX).map_or(0, |search| search.total())
    }

    /// Where the sensor with an id stands in an order.
    #[must_use]
    pub fn position(&self, order: Order, id: &str) -> Option<Position> {
        let (_, row) = self.tables[Kind::Sensor.index()].get(id)?;
        Some(Position::of(order, row.winner(), row.changed))
    }
}

impl<'a, 'q> Search<'a, 'q> {
    /// `None` where an index shows that nothing passes. Words are looked up where that finds no more than `words_max` sensors.
    fn new(view: &'a View, query: &'q SensorQuery, mono: Duration, words_max: usize) -> Option<Search<'a, 'q>> {
        debug_assert!(view.sensors.is_settled(), "a view is settled before anybody reads it");
        let (table, index) = (&view.tables[Kind::Sensor.index()], &view.sensors);
        let filter = &query.filter;
        let mut sources: Vec<(usize, Source<'a>)> = Vec::new();
        for (wanted, field) in [
            (&filter.sensor_type, &index.types),
            (&filter.connector, &index.connectors),
            (&filter.room, &index.rooms),
            (&filter.attribute, &index.attributes),
        ] {
            if let Some(value) = wanted {
                let postings = field.get(value)?;
                sources.push((postings.len(), Source::Value(postings)));
            }
        }
        let mut origins = None;
        if filter.node.is_some() || filter.freshness.is_some() {
            let passes = |origin: &Arc<Origin>| {
                filter.node.as_deref().is_none_or(|node| node == origin.node.as_str())
                    && filter.freshness.is_none_or(|wanted| view.freshness_of(origin, mono).0 == wanted)
            };
            let (passing, sets): (Vec<_>, Vec<_>) = index.origins.iter().filter(|(origin, _)| passes(origin)).unzip();
            sources.push((sets.iter().map(|set| set.len()).sum(), Source::Origins(sets)));
            origins = Some(passing);
        }
        let prefix = filter.name_prefix.as_deref().filter(|prefix| !prefix.is_empty()).map(fold);
        let conditions = sources.len() + usize::from(prefix.is_some()) + usize::from(filter.text.is_some());
        let (mut candidates, mut source) =
            sources.into_iter().min_by_key(|(length, _)| *length).unwrap_or((table.len(), Source::All));
        if let Some(prefix) = &prefix {
            let named = named(index, prefix, Bound::Unbounded).take(candidates).count();
            if named < candidates || matches!(source, Source::All) {
                (candidates, source) = (named, Source::Names);
            }
        }
        let mut exact = conditions <= 1;
        if let Some(text) = &filter.text {
            let most = if matches!(source, Source::All) { words_max } else { candidates.min(words_max) };
            let found = text.candidates(table, index, most);
            exact &= found.is_some() && text.is_exact();
            if let Some(labels) = found {
                (candidates, source) = (labels.len(), Source::Labels(labels));
            }
        }
        (candidates > 0).then_some(Search { table, index, query, prefix, origins, source, candidates, exact })
    }

    fn total(&self) -> usize {
        if self.exact { self.candidates } else { self.passing(None).count() }
    }

    fn passes(&self, row: &Row) -> bool {
        let held = row.winner();
        let trusted = self.origins.as_ref().is_none_or(|origins| origins.iter().any(|origin| **origin == held.origin));
        self.exact || (trusted && self.query.filter.matches_held(held))
    }

    fn lines(&self, after: Option<&Position>, limit: usize) -> Vec<Line<'a>> {
        match after {
            None if self.query.order == Order::Id => self.in_order_of_ids(None, limit),
            Some(Position::Id(id)) => self.in_order_of_ids(self.table.label_at(id), limit),
            None | Some(Position::Name { .. } | Position::Changed(_)) => {
                let few = self.candidates <= SORTED_MAX && !matches!(self.source, Source::All);
                if few { self.sorted(after, limit) } else { self.walked(after, limit) }
            }
        }
    }

    fn in_order_of_ids(&self, after: Option<Label>, limit: usize) -> Vec<Line<'a>> {
        self.passing(after).take(limit).map(line).collect()
    }

    /// The rows that pass behind a label, in the order of their ids.
    fn passing(&self, after: Option<Label>) -> Box<dyn Iterator<Item = &'a Row> + '_> {
        match self.source {
            Source::All => Box::new(self.table.rows_after(after).map(|(_, row)| row).filter(|row| self.passes(row))),
            Source::Value(_) | Source::Origins(_) | Source::Names | Source::Labels(_) => {
                let rows = self.candidates(after).filter_map(|label| self.table.row(label));
                Box::new(rows.filter(|row| self.passes(row)))
            }
        }
    }

    fn candidates(&self, after: Option<Label>) -> Box<dyn Iterator<Item = Label> + '_> {
        match &self.source {
            Source::All => Box::new(self.table.rows_after(after).map(|(label, _)| label)),
            Source::Value(postings) => Box::new(labels_after(postings, after)),
            Source::Origins(sets) => merged(sets, after),
            Source::Names => {
                let prefix = self.prefix.as_deref().unwrap_or_default();
                let labels = named(self.index, prefix, Bound::Unbounded).map(|(_, label)| *label);
                let mut labels: Vec<Label> = labels.filter(|label| after.is_none_or(|after| *label > after)).collect();
                labels.sort_unstable();
                Box::new(labels.into_iter())
            }
            Source::Labels(labels) => {
                let start = after.map_or(0, |after| labels.partition_point(|label| *label <= after));
                Box::new(labels[start..].iter().copied())
            }
        }
    }

    /// Takes all candidates and puts them in order.
    fn sorted(&self, after: Option<&Position>, limit: usize) -> Vec<Line<'a>> {
        let placed = |row: &'a Row| (Position::of(self.query.order, row.winner(), row.changed), line(row));
        let mut lines: Vec<(Position, Line<'a>)> = self.passing(None).map(placed).collect();
        lines.retain(|(position, _)| after.is_none_or(|after| position > after));
        lines.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        lines.into_iter().take(limit).map(|(_, line)| line).collect()
    }

    /// Goes along the index of the order and takes what passes.
    fn walked(&self, after: Option<&Position>, limit: usize) -> Vec<Line<'a>> {
        let rows: Box<dyn Iterator<Item = Label> + '_> = match (self.query.order, after) {
            (Order::Changed, after) => {
                let end = match after {
                    Some(Position::Changed(changed)) => Some(*changed),
                    Some(Position::Id(_) | Position::Name { .. }) | None => None,
                };
                let before = self.index.changes.back_from(|(changed, _)| end.is_none_or(|end| *changed < end));
                Box::new(before.map(|(_, label)| *label))
            }
            (Order::Id | Order::Name, after) => {
                let start = match after {
                    Some(Position::Name { name, id }) => match self.table.label_at(id) {
                        Some(label) => Bound::Excluded((ShortText::new(name), label)),
                        None => Bound::Included((ShortText::new(name), 0)),
                    },
                    Some(Position::Id(_) | Position::Changed(_)) | None => Bound::Unbounded,
                };
                let prefix = self.prefix.as_deref().unwrap_or_default();
                Box::new(named(self.index, prefix, start).map(|(_, label)| *label))
            }
        };
        let found = rows.filter_map(|label| self.table.row(label)).filter(|row| self.passes(row));
        found.take(limit).map(line).collect()
    }
}

fn line(row: &Row) -> Line<'_> {
    Line { held: row.winner(), changed: row.changed }
}

/// The labels of several sets that have none in common, in order. There are as many sets as starts of nodes.
fn merged<'a>(sets: &[&'a Sorted<Label>], after: Option<Label>) -> Box<dyn Iterator<Item = Label> + 'a> {
    if let [only] = sets {
        return Box::new(labels_after(only, after));
    }
    let mut ranges: Vec<_> = sets.iter().map(|set| labels_after(set, after).peekable()).collect();
    Box::new(std::iter::from_fn(move || {
        let heads = ranges.iter_mut().enumerate().filter_map(|(at, range)| Some((*range.peek()?, at)));
        let (_, at) = heads.min()?;
        ranges[at].next()
    }))
}
