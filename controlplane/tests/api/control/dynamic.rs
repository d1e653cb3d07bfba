//! Any method by its name, through the descriptors alone.

use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MethodDescriptor, ReflectMessage, Value,
};
use serde_json::{Map, Value as Json, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

pub fn pool() -> DescriptorPool {
    DescriptorPool::decode(holdfast_proto::DESCRIPTORS).unwrap()
}

pub fn methods() -> Vec<MethodDescriptor> {
    let pool = pool();
    let service = pool.get_service_by_name("holdfast.v1.ControlService");
    service.unwrap().methods().collect()
}

/// A method's REST operation: its id, verb and path.
pub fn operation(method: &MethodDescriptor) -> (String, String, String) {
    let pool = pool();
    let option = pool.get_extension_by_name("holdfast.v1.rest").unwrap();
    let options = method.options();
    let operation = options.get_extension(&option);
    let operation = operation.as_message().unwrap();
    let text = |name: &str| {
        let value = operation.get_field_by_name(name).unwrap();
        value.as_str().unwrap().to_owned()
    };
    (text("id"), text("method"), text("path"))
}

/// Where a field of a request goes.
pub fn place(field: &FieldDescriptor) -> String {
    let pool = pool();
    let option = pool.get_extension_by_name("holdfast.v1.rest_in").unwrap();
    let options = field.options();
    let number = options.get_extension(&option).as_enum_number().unwrap();
    let places = option.kind();
    let place = places.as_enum().unwrap().get_value(number).unwrap();
    place.name().to_owned()
}

/// A request with these texts; what else the path needs is `x`.
pub fn fill(method: &MethodDescriptor, texts: &[(&str, &str)]) -> DynamicMessage {
    let mut message = DynamicMessage::new(method.input());
    for field in method.input().fields() {
        if place(&field) == "REST_IN_PATH" {
            message.set_field(&field, Value::String("x".to_owned()));
        }
    }
    for (name, text) in texts {
        message.set_field_by_name(name, Value::String((*text).to_owned()));
    }
    message
}

/// Bytes as they are: what is tested is not to help.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// Calls a method for its first answer.
pub async fn call(
    channel: &Channel,
    method: &MethodDescriptor,
    request: Request<DynamicMessage>,
) -> Result<DynamicMessage, Status> {
    let request = request.map(|message| message.encode_to_vec());
    let answer = call_raw(channel, method, request).await?.into_inner();
    Ok(DynamicMessage::decode(method.output(), answer.as_slice()).unwrap())
}

/// The same with bytes that may be no message.
pub async fn call_raw(
    channel: &Channel,
    method: &MethodDescriptor,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Status> {
    let service = method.parent_service().full_name().to_owned();
    let path = format!("/{service}/{}", method.name());
    call_path(channel, &path, request).await
}

/// The same of a method that nobody described.
pub async fn call_path(
    channel: &Channel,
    path: &str,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    grpc.unary(request, path.parse().unwrap(), Raw).await
}

/// A message as JSON, with every number a double and nothing that is empty.
pub fn plain(message: &DynamicMessage) -> Json {
    match message.descriptor().full_name() {
        "google.protobuf.Struct" => {
            return value(&message.get_field_by_name("fields").unwrap());
        }
        "google.protobuf.ListValue" => {
            return value(&message.get_field_by_name("values").unwrap());
        }
        "google.protobuf.Value" => {
            let set = message.fields().next();
            return set.map_or(Json::Null, |(_, set)| value(set));
        }
        _ => {}
    }
    let mut object = Map::new();
    for field in message.descriptor().fields() {
        if !field.supports_presence() || message.has_field(&field) {
            let json = value(&message.get_field(&field));
            object.insert(field.json_name().to_owned(), json);
        }
    }
    Json::Object(object)
}

fn value(of: &Value) -> Json {
    match of {
        Value::Bool(is) => json!(is),
        Value::I32(number) => json!(f64::from(*number)),
        Value::U32(number) => json!(f64::from(*number)),
        Value::I64(number) => json!(number.to_string().parse::<f64>().unwrap()),
        Value::U64(number) => json!(number.to_string().parse::<f64>().unwrap()),
        Value::F64(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Message(message) => plain(message),
        Value::List(values) => values.iter().map(value).collect(),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, of)| {
                let key = key.as_str().unwrap().to_owned();
                (key, value(of))
            });
            Json::Object(entries.collect())
        }
        Value::EnumNumber(_) => Json::Null,
        other => panic!("{other:?} has no place in an answer"),
    }
}

/// The same of a REST answer, for comparing.
pub fn normal(json: &Json) -> Json {
    match json {
        Json::Object(object) => {
            let members = object.iter().map(|(key, of)| (key.clone(), normal(of)));
            Json::Object(members.filter(|(_, of)| !is_empty(of)).collect())
        }
        Json::Array(values) => values.iter().map(normal).collect(),
        Json::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(values) => values.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}
