//! REST operations as methods and their requests.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::model::{Field, File, Message, Method, Place, Shape, Type};
use super::name;
use super::schema::{Schemas, text};

/// Operations without a method, and why.
pub(super) const WITHOUT_METHOD: &[(&str, &str)] = &[
    (
        "health_live",
        "grpc.health.v1.Health answers for the process",
    ),
    (
        "health_ready",
        "grpc.health.v1.Health answers for the services",
    ),
    ("browser_login", "cookies are for browsers; see auth_login"),
    (
        "browser_logout",
        "cookies are for browsers; see auth_logout",
    ),
    (
        "browser_renew",
        "cookies are for browsers; see auth_refresh",
    ),
    (
        "error_show",
        "a page for people; an error's details carry its code",
    ),
];

/// The methods of a document and the messages they need.
pub(super) fn file(document: &Value, taken: &[String]) -> Result<File> {
    let mut schemas = Schemas::new(document, taken)?;
    let mut methods = Vec::new();
    let paths = document["paths"].as_object();
    for (path, item) in paths.context("the document has no paths")? {
        for (verb, operation) in item.as_object().context("a path has no operations")? {
            let id = operation["operationId"].as_str();
            let id = id.with_context(|| format!("{verb} {path} has no operationId"))?;
            if WITHOUT_METHOD.iter().any(|(without, _)| *without == id) {
                continue;
            }
            let method = method(&mut schemas, (path, verb, id), operation);
            methods.push(method.with_context(|| format!("operation {id}"))?);
        }
    }
    methods.sort_by(|a, b| (&a.path, &a.verb).cmp(&(&b.path, &b.verb)));
    Ok(File {
        messages: schemas.messages,
        methods,
    })
}

fn method<'a>(
    schemas: &mut Schemas<'a>,
    (path, verb, id): (&str, &str, &str),
    operation: &'a Value,
) -> Result<Method> {
    let name = name::pascal(id);
    let request = format!("{name}Request");
    let fields = parameters(schemas, operation, &request)?;
    let comment = format!("What {name} takes.");
    schemas.add(&request, Message { comment, fields })?;
    let (answer, streams) = answer(schemas, operation, &name)?;
    let summary = text(operation, "summary");
    let end = if summary.ends_with('.') { "" } else { "." };
    Ok(Method {
        comment: match text(operation, "description").as_str() {
            "" => format!("{summary}{end}"),
            description => format!("{summary}{end}\n\n{description}"),
        },
        name,
        id: id.to_owned(),
        verb: verb.to_uppercase(),
        path: path.to_owned(),
        request,
        answer,
        streams,
    })
}

fn parameters<'a>(
    schemas: &mut Schemas<'a>,
    operation: &'a Value,
    request: &str,
) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let given = text(parameter, "name");
        let place = match parameter["in"].as_str() {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            _ => bail!("the parameter {given} is nowhere that can be served"),
        };
        let name = name::snake(&given);
        if place == Place::Header && !name.replace('_', "-").eq_ignore_ascii_case(&given) {
            bail!("the header {given} cannot be told from its field {name}");
        }
        let at = format!("{request}{}", name::pascal(&given));
        let (shape, _) = schemas.shape(&parameter["schema"], &at)?;
        if !matches!(
            &shape,
            Shape::Single(Type::Scalar(_)) | Shape::Repeated(Type::Scalar(_))
        ) {
            bail!("the parameter {given} is neither a scalar nor a list of them");
        }
        let json = match place {
            Place::Header => name::default_json(&name),
            _ => given,
        };
        let comment = match text(parameter, "description") {
            said if said.is_empty() => schemas.comment(&parameter["schema"]),
            said => match schemas.comment(&parameter["schema"]) {
                more if more.starts_with("One of") || more.starts_with("RFC") => {
                    format!("{said} {more}")
                }
                _ => said,
            },
        };
        fields.push(Field {
            name,
            json,
            shape,
            required: parameter["required"] == true,
            place: Some(place),
            comment,
        });
    }
    fields.extend(body(schemas, operation, request)?);
    let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        bail!("two of its parameters want the same field");
    }
    Ok(fields)
}

/// The field that is the body, if it takes one.
fn body<'a>(
    schemas: &mut Schemas<'a>,
    operation: &'a Value,
    request: &str,
) -> Result<Option<Field>> {
    let content = &operation["requestBody"]["content"];
    let Some(body) = content.as_object() else {
        return Ok(None);
    };
    let schema = body
        .get("application/json")
        .context("its body is not JSON")?;
    let (shape, _) = schemas.shape(&schema["schema"], &format!("{request}Body"))?;
    if !matches!(&shape, Shape::Single(Type::Message(_))) {
        bail!("its body is no JSON object");
    }
    Ok(Some(Field {
        name: "body".to_owned(),
        json: "body".to_owned(),
        shape,
        required: true,
        place: Some(Place::Body),
        comment: "The body of the REST request.".to_owned(),
    }))
}

/// The message that it answers, and whether as a stream.
fn answer<'a>(
    schemas: &mut Schemas<'a>,
    operation: &'a Value,
    name: &str,
) -> Result<(String, bool)> {
    let responses = operation["responses"].as_object();
    let mut found: Option<(String, bool)> = None;
    for (status, response) in responses.context("it has no responses")? {
        if !status.starts_with('2') {
            continue;
        }
        let content = response["content"].as_object();
        let json = content.and_then(|content| content.get("application/json"));
        let answer = if content.is_some_and(|content| content.contains_key("text/event-stream")) {
            ("ServerEvent".to_owned(), true)
        } else if let Some(json) = json {
            match schemas.shape(&json["schema"], &format!("{name}Answer"))?.0 {
                Shape::Single(Type::Message(message)) if !message.starts_with("google.") => {
                    (message, false)
                }
                // A document without a type of ours is passed on as it is.
                _ => ("Content".to_owned(), false),
            }
        } else if content.is_some() {
            ("Content".to_owned(), false)
        } else {
            ("google.protobuf.Empty".to_owned(), false)
        };
        match &found {
            Some(there) if *there != answer => bail!("its answers are of several types"),
            _ => found = Some(answer),
        }
    }
    found.context("it has no answer that is a success")
}
