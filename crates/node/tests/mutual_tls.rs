//! Nodes that trust one authority form a cluster over TLS; a node of another authority, or of none, is not let in.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sensocto_node::{Handle, Next, Node, NodeConfig, NodeName, PeerConfig, PeerTls, RegistryConfig};

const DEADLINE: Duration = Duration::from_secs(20);

/// An authority, and where its certificate is.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: PathBuf,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = directory.join(format!("{name}.pem"));
        std::fs::write(&certificate, params.self_signed(&key).expect("a certificate").pem()).expect("written");
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// The files of a node that this authority signed for, and that trusts `trusted`.
    fn sign(&self, directory: &Path, node: &str, trusted: &Authority) -> PeerTls {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (certificate, key_file) = (directory.join(format!("{node}.pem")), directory.join(format!("{node}.key")));
        std::fs::write(&certificate, signed.pem()).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        PeerTls { ca: trusted.certificate.clone(), certificate, key: key_file }
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

async fn start(name: &str, listen: SocketAddr, join: Option<SocketAddr>, tls: Option<PeerTls>) -> Node {
    let join = join.iter().map(ToString::to_string).collect();
    let config = NodeConfig {
        name: NodeName::new(name).expect("a name"),
        cluster: "test".into(),
        peer: Some(PeerConfig { listen, join, tls }),
        data: None,
        registry: RegistryConfig::default(),
    };
    Node::start(config).await.expect("started")
}

/// Waits until a node knows as many nodes as there should be.
async fn until_nodes(handle: &Handle, count: usize) {
    let mut subscription = handle.subscribe();
    let waited = tokio::time::timeout(DEADLINE, async {
        while subscription.world().view.nodes().len() < count {
            if matches!(handle.next(&mut subscription).await, Next::Closed) {
                return;
            }
        }
    });
    assert!(waited.await.is_ok(), "{} does not know {count} nodes", handle.me());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_nodes_of_one_authority_form_a_cluster() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = Authority::new(directory.path(), "ours");
    let theirs = Authority::new(directory.path(), "theirs");
    let first = free_address();
    let a = start("a", first, None, Some(ours.sign(directory.path(), "a", &ours))).await;
    // Both strangers trust our authority, so that it is we who have to refuse them.
    let stranger = start("x", free_address(), Some(first), Some(theirs.sign(directory.path(), "x", &ours))).await;
    let plain = start("y", free_address(), Some(first), None).await;
    let b = start("b", free_address(), Some(first), Some(ours.sign(directory.path(), "b", &ours))).await;
    until_nodes(&a.handle(), 2).await;
    until_nodes(&b.handle(), 2).await;
    let known: Vec<String> = a.handle().world().view.nodes().keys().map(ToString::to_string).collect();
    assert_eq!(known, ["a", "b"]);
    for outsider in [&stranger, &plain] {
        assert_eq!(outsider.handle().world().view.nodes().len(), 1, "{}", outsider.handle().me());
    }
    for node in [stranger, plain, b, a] {
        node.shutdown().await;
    }
}
