//! What every operation behind the gate takes (`api::auth`), for OpenAPI.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{ObjectBuilder, Required, Type};

/// Reads that are of no state.
const STATELESS: [&str; 2] = ["event_stream", "openapi_show"];

/// Those to which other people may have to consent.
const ASKING: [&str; 9] = [
    "apply",
    "backup_delete",
    "backup_hold",
    "backup_release",
    "cluster_delete",
    "cluster_put",
    "policy_delete",
    "policy_put",
    "policy_rollback",
];

/// Adds the gate's parameters to the operations of a path.
pub(super) fn describe(item: &mut PathItem) {
    if let Some(read) = &mut item.get
        && !STATELESS.contains(&read.operation_id.as_deref().unwrap_or_default())
    {
        add(read, consistency());
    }
    if let Some(write) = &mut item.post {
        add(write, idempotency_key());
    }
    let writes = [&mut item.put, &mut item.post, &mut item.delete];
    for write in writes.into_iter().flatten() {
        if ASKING.contains(&write.operation_id.as_deref().unwrap_or_default()) {
            add(write, reason());
        }
    }
}

fn add(operation: &mut Operation, parameter: Parameter) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(parameter.into());
}

fn consistency() -> Parameter {
    let words = ["linearizable", "stale"];
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words));
    ParameterBuilder::new()
        .name("consistency")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "How current the answer must be; linearizable when it is not said. A stale one \
             names the applied index and its age in headers.",
        ))
        .schema(Some(schema))
        .build()
}

fn reason() -> Parameter {
    ParameterBuilder::new()
        .name("Holdfast-Reason")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Why, for those who have to consent when the policy in force asks for it.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "The caller's name for the request, 1 to 255 characters: a repeat under it is \
             answered and not done again.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
