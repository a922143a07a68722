//! Network namespaces of Linux: nodes that can be cut off from each other by a cable that is pulled.
//!
//! Every node has a namespace with two links: one to a switch on its side, over which the nodes talk, and one to this process, over
//! which its clients do. The switches of the two sides are joined by a cable. All names are this process's own, and everything is taken
//! away again when it is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

/// Where nodes listen for clients and for nodes.
const HTTP: u16 = 4_000;
const PEER: u16 = 7_400;

/// Two sides, and a cable between them.
pub(crate) struct Sides {
    tag: String,
    net: u8,
    /// The side of each node.
    sides: Vec<usize>,
}

impl Sides {
    /// Lays the nodes' links, the cable joined.
    ///
    /// # Errors
    /// Says why that cannot be done here; what was made is taken away again.
    pub(crate) fn lay(sides: &[usize]) -> Result<Sides, String> {
        let id = std::process::id();
        // Networks of several tests at one time are to differ; those from 10.180 to 10.219 are seldom somebody's own.
        let net = u8::try_from(180 + id % 40).unwrap_or(180);
        let laid = Sides { tag: format!("sx{:x}", id & 0xff_ffff), net, sides: sides.to_vec() };
        laid.build()?;
        Ok(laid)
    }

    fn build(&self) -> Result<(), String> {
        let tag = &self.tag;
        for side in 0..2 {
            ip(&format!("link add {tag}s{side} type bridge"))?;
            ip(&format!("link set {tag}s{side} up"))?;
        }
        ip(&format!("link add {tag}c0 type veth peer name {tag}c1"))?;
        for side in 0..2 {
            ip(&format!("link set {tag}c{side} master {tag}s{side}"))?;
            ip(&format!("link set {tag}c{side} up"))?;
        }
        (0..self.sides.len()).try_for_each(|node| self.add(node))
    }

    fn add(&self, node: usize) -> Result<(), String> {
        let Sides { tag, sides, .. } = self;
        let (space, side) = (self.namespace(node), sides[node]);
        ip(&format!("netns add {space}"))?;
        ip(&format!("-n {space} link set lo up"))?;
        // Between nodes.
        ip(&format!("link add {tag}p{node} type veth peer name peers netns {space}"))?;
        ip(&format!("link set {tag}p{node} master {tag}s{side}"))?;
        ip(&format!("link set {tag}p{node} up"))?;
        ip(&format!("-n {space} addr add {}/24 dev peers", self.peer(node).ip()))?;
        ip(&format!("-n {space} link set peers up"))?;
        // From here.
        ip(&format!("link add {tag}h{node} type veth peer name clients netns {space}"))?;
        ip(&format!("addr add {}/30 dev {tag}h{node}", self.at(node, 1)))?;
        ip(&format!("link set {tag}h{node} up"))?;
        ip(&format!("-n {space} addr add {}/30 dev clients", self.at(node, 2)))?;
        ip(&format!("-n {space} link set clients up"))
    }

    fn at(&self, node: usize, end: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.net, 1, u8::try_from(node).expect("a few nodes") * 4 + end)
    }

    pub(crate) fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.tag)
    }

    /// Where a node listens for clients.
    pub(crate) fn http(&self, node: usize) -> SocketAddr {
        SocketAddr::from((self.at(node, 2), HTTP))
    }

    /// Where a node listens for nodes.
    pub(crate) fn peer(&self, node: usize) -> SocketAddr {
        let last = u8::try_from(node).expect("a few nodes") + 1;
        SocketAddr::from((Ipv4Addr::new(10, self.net, 0, last), PEER))
    }

    /// Pulls the cable: whatever is on its way is lost, and nobody is told.
    pub(crate) fn cut(&self) {
        ip(&format!("link set {}c0 down", self.tag)).expect("the cable is ours");
    }

    /// Puts it back.
    pub(crate) fn join(&self) {
        ip(&format!("link set {}c0 up", self.tag)).expect("the cable is ours");
    }
}

impl Drop for Sides {
    fn drop(&mut self) {
        // What was not made cannot be taken away; the ends of links inside go with their namespaces.
        for node in 0..self.sides.len() {
            let _ = ip(&format!("netns del {}", self.namespace(node)));
            for end in ["p", "h"] {
                let _ = ip(&format!("link del {}{end}{node}", self.tag));
            }
        }
        for link in ["c0", "s0", "s1"] {
            let _ = ip(&format!("link del {}{link}", self.tag));
        }
    }
}

fn ip(command: &str) -> Result<(), String> {
    let output = Command::new("ip").args(command.split(' ')).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {command}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("ip, of iproute2, cannot be run: {error}")),
    }
}
