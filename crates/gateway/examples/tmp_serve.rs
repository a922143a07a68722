use sensocto_gateway::*;
use sensocto_node::*;
#[tokio::main]
async fn main() {
    let n = Node::start(NodeConfig {
        name: NodeName::new("a").unwrap(),
        cluster: "t".into(),
        peer: None,
        data: None,
        registry: RegistryConfig::default(),
    })
    .await
    .unwrap();
    let g = Gateway::start(
        GatewayConfig {
            http: "127.0.0.1:4978".parse().unwrap(),
            signing_key: None,
            open: false,
            allowed_origins: vec![],
        },
        n.handle(),
    )
    .await
    .unwrap();
    println!("{:?}", g.local_addr());
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    g.shutdown().await;
}
