//! The text of the file.

use std::fmt::Write as _;

use super::model::{Field, File, Method, Place, Shape};
use super::name;
use super::number::{Known, Numbered};
use super::operation::WITHOUT_METHOD;

/// How wide comments get.
const WIDTH: usize = 80;

const HEAD: &str = "\
// Everything that REST does, over gRPC: one method per operation.
//
// Generated from controlplane/openapi.json by `cargo run -p xtask --
// control-proto`; do not edit. Field numbers never change: that program reads
// this file for them, so it must not be lost.
syntax = \"proto3\";

package holdfast.v1;

";

/// Writes the file.
pub(super) fn write(file: &File, known: &Known) -> String {
    let mut out = HEAD.to_owned();
    let empty = file
        .methods
        .iter()
        .any(|method| method.answer == "google.protobuf.Empty");
    if empty {
        out.push_str("import \"google/protobuf/empty.proto\";\n");
    }
    out.push_str("import \"google/protobuf/struct.proto\";\n");
    out.push_str("import \"holdfast/v1/rest.proto\";\n\n");
    service(&mut out, file);
    for (name, message) in &file.messages {
        out.push('\n');
        comment(&mut out, "", &message.comment);
        write_message(&mut out, name, &known.number(name, message));
    }
    for (name, numbered) in known.gone(&file.messages) {
        out.push('\n');
        comment(&mut out, "", "Gone. Its numbers are never given again.");
        write_message(&mut out, name, &numbered);
    }
    out
}

fn service(out: &mut String, file: &File) {
    comment(
        out,
        "",
        "The operations of REST, for automation. A method does what its REST operation \
         does, by the same code: the same rights, audit, idempotency, refusals and \
         forwarding to the node that leads.\n\n\
         Credentials travel as the metadata `authorization: Bearer TOKEN`. Fields that \
         REST may leave out or answer as null are optional. Words of enumerations are \
         text, for there may be more tomorrow; times are RFC 3339. An error's details \
         hold a google.rpc.ErrorInfo of the domain `holdfast`, whose reason is the \
         stable code.",
    );
    if !WITHOUT_METHOD.is_empty() {
        out.push_str("//\n// Operations that are no method:\n");
        for (id, why) in WITHOUT_METHOD {
            let _ = writeln!(out, "// - {id}: {why}");
        }
    }
    out.push_str("service ControlService {\n");
    for (index, method) in file.methods.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_method(out, method, file);
    }
    out.push_str("}\n");
}

fn write_method(out: &mut String, method: &Method, file: &File) {
    let Method {
        name,
        id,
        verb,
        path,
        ..
    } = method;
    comment(
        out,
        "  ",
        &format!("{}\n\nREST: `{verb} {path}`", method.comment),
    );
    // Inside a service a method's name hides the message of that name.
    let full = |message: &str| {
        let hidden = file.methods.iter().any(|method| method.name == message);
        let scope = if hidden { ".holdfast.v1." } else { "" };
        format!("{scope}{message}")
    };
    let stream = if method.streams { "stream " } else { "" };
    let (request, answer) = (full(&method.request), full(&method.answer));
    let _ = writeln!(out, "  rpc {name}({request}) returns ({stream}{answer}) {{");
    let _ = writeln!(out, "    option (rest) = {{");
    let _ = writeln!(out, "      id: \"{id}\"");
    let _ = writeln!(out, "      method: \"{verb}\"");
    let _ = writeln!(out, "      path: \"{path}\"");
    let _ = writeln!(out, "    }};");
    let _ = writeln!(out, "  }}");
}

fn write_message(out: &mut String, name: &str, message: &Numbered) {
    let Numbered {
        fields,
        gone_numbers,
        gone_names,
    } = message;
    if fields.is_empty() && gone_numbers.is_empty() {
        let _ = writeln!(out, "message {name} {{}}");
        return;
    }
    let _ = writeln!(out, "message {name} {{");
    if !gone_numbers.is_empty() {
        let numbers: Vec<String> = gone_numbers.iter().map(u32::to_string).collect();
        let _ = writeln!(out, "  reserved {};", numbers.join(", "));
    }
    if !gone_names.is_empty() {
        let names: Vec<String> = gone_names
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        let _ = writeln!(out, "  reserved {};", names.join(", "));
    }
    for (number, field) in fields {
        write_field(out, *number, field);
    }
    out.push_str("}\n");
}

fn write_field(out: &mut String, number: u32, field: &Field) {
    comment(out, "  ", &field.comment);
    let mut options = Vec::new();
    if name::default_json(&field.name) != field.json {
        options.push(format!("json_name = \"{}\"", field.json));
    }
    let place = field.place.map(|place| match place {
        Place::Path => "PATH",
        Place::Query => "QUERY",
        Place::Header => "HEADER",
        Place::Body => "BODY",
    });
    if let Some(place) = place {
        options.push(format!("(rest_in) = REST_IN_{place}"));
    }
    if field.required && !matches!(field.shape, Shape::Single(_)) {
        options.push("(always) = true".to_owned());
    }
    let optional = if field.is_optional() { "optional " } else { "" };
    let options = match options.as_slice() {
        [] => String::new(),
        options => format!(" [{}]", options.join(", ")),
    };
    let (kind, name) = (field.shape.text(), &field.name);
    let _ = writeln!(out, "  {optional}{kind} {name} = {number}{options};");
}

/// Writes a comment, wrapped; paragraphs stay apart.
fn comment(out: &mut String, indent: &str, text: &str) {
    let paragraphs = text.split("\n\n").map(str::trim);
    let paragraphs: Vec<&str> = paragraphs.filter(|text| !text.is_empty()).collect();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            let _ = writeln!(out, "{indent}//");
        }
        let mut line = format!("{indent}//");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(out, "{line}");
                line = format!("{indent}//");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(out, "{line}");
    }
}
