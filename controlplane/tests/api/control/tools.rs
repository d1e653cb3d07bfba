//! What generic tools use: health and reflection.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use tonic_reflection::pb::v1alpha;

use crate::agent::connect;
use crate::node::Node;

pub async fn health(node: &Node, service: &str) -> Result<ServingStatus, Status> {
    let mut client = HealthClient::new(connect(node, None).await?);
    let service = service.to_owned();
    let answer = client.check(HealthCheckRequest { service }).await?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn health_follows_readiness() {
    let mut node = Node::start().await;
    for service in ["", "holdfast.v1.ControlService", "holdfast.v1.AgentService"] {
        assert_eq!(
            health(&node, service).await.unwrap(),
            ServingStatus::Serving
        );
    }
    let unknown = health(&node, "holdfast.v1.RaftService").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut client = HealthClient::new(connect(&node, None).await.unwrap());
    let watch = |service: &str| {
        let service = service.to_owned();
        let mut client = client.clone();
        async move { client.watch(HealthCheckRequest { service }).await }
    };
    let mut nobody = watch("nobody").await.unwrap().into_inner();
    let told = nobody.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::ServiceUnknown);
    let mut watched = watch("holdfast.v1.ControlService")
        .await
        .unwrap()
        .into_inner();
    let told = watched.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::Serving);
    // A watch does not hold up the end, and is told of it.
    node.stop().await;
    let told = watched.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    assert!(watched.message().await.is_ok_and(|told| told.is_none()));
    let gone = client.check(HealthCheckRequest::default()).await;
    assert!(gone.is_err());
}

async fn reflect(node: &Node, ask: MessageRequest) -> MessageResponse {
    let mut client = ServerReflectionClient::new(connect(node, None).await.unwrap());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let answers = client
        .server_reflection_info(tokio_stream::iter([request]))
        .await;
    let answer = answers.unwrap().into_inner().message().await.unwrap();
    answer.unwrap().message_response.unwrap()
}

#[tokio::test]
async fn reflection_tells_of_every_public_service_and_of_no_other() {
    let mut node = Node::start().await;
    let listed = reflect(&node, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("{listed:?} is no list")
    };
    let names = listed
        .service
        .into_iter()
        .map(|ServiceResponse { name }| name);
    let names: BTreeSet<String> = names.collect();
    let wanted = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "holdfast.v1.AgentService",
        "holdfast.v1.ControlService",
        "holdfast.v1.NodeService",
    ];
    assert_eq!(names, wanted.map(str::to_owned).into());
    // A tool builds its types from what it is told, file by file.
    let symbol = MessageRequest::FileContainingSymbol("holdfast.v1.ControlService".to_owned());
    let mut pool = DescriptorPool::global();
    let mut wanted = vec![file(reflect(&node, symbol).await)];
    let mut known = Vec::new();
    while let Some(next) = wanted.pop() {
        for name in &next.dependency {
            let ask = MessageRequest::FileByFilename(name.clone());
            wanted.push(file(reflect(&node, ask).await));
        }
        known.insert(0, next);
    }
    pool.add_file_descriptor_protos(known).unwrap();
    let service = pool.get_service_by_name("holdfast.v1.ControlService");
    let methods = service.unwrap().methods().len();
    assert_eq!(methods, super::dynamic::methods().len());
    // The older form, for older tools.
    let channel = connect(&node, None).await.unwrap();
    let mut older = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "holdfast.v1.ControlService.BackupStart".to_owned(),
            ),
        ),
    };
    let answers = older
        .server_reflection_info(tokio_stream::iter([request]))
        .await;
    let answer = answers
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(
        answer.message_response,
        Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
    ));
    node.stop().await;
}

fn file(answer: MessageResponse) -> FileDescriptorProto {
    let MessageResponse::FileDescriptorResponse(answer) = answer else {
        panic!("{answer:?} is no file")
    };
    FileDescriptorProto::decode(answer.file_descriptor_proto[0].as_slice()).unwrap()
}
