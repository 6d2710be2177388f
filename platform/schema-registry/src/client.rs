//! The calls of the Confluent API that services need, and what they have answered.

use std::sync::Arc;

use moka::sync::Cache;
use reqwest::Method;
use serde_json::{Value, json};

use crate::config::RegistryConfig;
use crate::error::RegistryError;
use crate::http::{Call, Http};

/// Most schemas and ids that are remembered. Both never change in a registry.
const REMEMBERED: u64 = 2_000;

/// A client of a schema registry. What a registry has said of ids and schemas is remembered,
/// so that it is asked once. Every method repeats a request that may succeed later, for as
/// long as is configured.
pub struct RegistryClient {
    http: Http,
    schemas: Cache<u32, RegisteredSchema>,
    ids: Cache<SubjectSchema, u32>,
}

/// A subject and a schema under it.
type SubjectSchema = (Box<str>, Box<str>);

/// What an id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisteredSchema {
    /// An Avro schema, JSON.
    Avro(Arc<str>),
    /// A schema that is not read here, and why.
    Unusable(Arc<str>),
}

/// Whether a schema can follow the latest one of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can; also where there is none yet.
    Compatible,
    /// It cannot, and what the registry says of it.
    Incompatible(String),
}

impl RegistryClient {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError::Setting`] when a secret cannot be read.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        Ok(Self {
            http: Http::new(config)?,
            schemas: Cache::new(REMEMBERED),
            ids: Cache::new(REMEMBERED),
        })
    }

    /// The registry's addresses, for messages.
    pub fn addresses(&self) -> String {
        self.http.addresses()
    }

    /// Registers a schema (JSON) under a subject; its id. One that is there already keeps its
    /// id.
    ///
    /// # Errors
    /// [`RegistryError::Incompatible`], or what keeps the registry from answering.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let answer = self
            .http
            .send(&Call {
                operation: "register",
                method: Method::POST,
                path: &["subjects", subject, "versions"],
                query: &[],
                body: Some(json!({ "schema": schema })),
            })
            .await;
        match answer {
            Ok(answer) => self.remember(subject, schema, &answer),
            Err(RegistryError::Refused { url, status: 409, message }) => {
                Err(RegistryError::Incompatible { url, subject: subject.to_owned(), message })
            }
            Err(error) => Err(error),
        }
    }

    /// The id of a schema (JSON) under a subject; `None` when it is not registered there.
    ///
    /// # Errors
    /// What keeps the registry from answering.
    pub async fn id_of(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        if let Some(id) = self.ids.get(&(subject.into(), schema.into())) {
            return Ok(Some(id));
        }
        let call = Call {
            operation: "look_up",
            method: Method::POST,
            path: &["subjects", subject],
            query: &[],
            body: Some(json!({ "schema": schema })),
        };
        match self.http.send(&call).await {
            Ok(answer) => self.remember(subject, schema, &answer).map(Some),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what keeps the registry from answering.
    pub async fn schema_by_id(&self, id: u32) -> Result<RegisteredSchema, RegistryError> {
        if let Some(schema) = self.schemas.get(&id) {
            return Ok(schema);
        }
        let answer = self
            .http
            .send(&Call {
                operation: "schema_by_id",
                method: Method::GET,
                path: &["schemas", "ids", &id.to_string()],
                query: &[],
                body: None,
            })
            .await?;
        let schema = self.as_schema(&answer)?;
        self.schemas.insert(id, schema.clone());
        Ok(schema)
    }

    /// The compatibility level in force for a subject, such as `BACKWARD`; `None` where the
    /// registry knows no such subject.
    ///
    /// # Errors
    /// What keeps the registry from answering.
    pub async fn compatibility(&self, subject: &str) -> Result<Option<String>, RegistryError> {
        let call = Call {
            operation: "compatibility",
            method: Method::GET,
            path: &["config", subject],
            query: &[("defaultToGlobal", "true")],
            body: None,
        };
        match self.http.send(&call).await {
            Ok(answer) => {
                self.text(&answer, "compatibilityLevel").map(|level| Some(level.to_owned()))
            }
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the compatibility level of a subject.
    ///
    /// # Errors
    /// What keeps the registry from answering.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let call = Call {
            operation: "set_compatibility",
            method: Method::PUT,
            path: &["config", subject],
            query: &[],
            body: Some(json!({ "compatibility": level })),
        };
        self.http.send(&call).await.map(drop)
    }

    /// Whether a schema (JSON) can follow the latest one of a subject.
    ///
    /// # Errors
    /// What keeps the registry from answering.
    pub async fn check(&self, subject: &str, schema: &str) -> Result<Verdict, RegistryError> {
        let call = Call {
            operation: "check",
            method: Method::POST,
            path: &["compatibility", "subjects", subject, "versions", "latest"],
            query: &[("verbose", "true")],
            body: Some(json!({ "schema": schema })),
        };
        let answer = match self.http.send(&call).await {
            Ok(answer) => answer,
            Err(RegistryError::NotFound { .. }) => return Ok(Verdict::Compatible),
            Err(error) => return Err(error),
        };
        match answer.get("is_compatible").and_then(Value::as_bool) {
            Some(true) => Ok(Verdict::Compatible),
            Some(false) => Ok(Verdict::Incompatible(why_incompatible(&answer))),
            None => Err(self.garbled("is_compatible")),
        }
    }

    fn remember(&self, subject: &str, schema: &str, answer: &Value) -> Result<u32, RegistryError> {
        let id = answer
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| self.garbled("id"))?;
        self.ids.insert((subject.into(), schema.into()), id);
        self.schemas.insert(id, RegisteredSchema::Avro(schema.into()));
        Ok(id)
    }

    /// Registries leave the type out where it is Avro.
    fn as_schema(&self, answer: &Value) -> Result<RegisteredSchema, RegistryError> {
        let kind = answer.get("schemaType").and_then(Value::as_str).unwrap_or("AVRO");
        if kind != "AVRO" {
            let why = format!("it is a schema of type {}", kind.escape_default());
            return Ok(RegisteredSchema::Unusable(why.into()));
        }
        let references = answer.get("references").and_then(Value::as_array);
        if references.is_some_and(|references| !references.is_empty()) {
            let why = "it refers to other schemas of the registry, which is not supported";
            return Ok(RegisteredSchema::Unusable(why.into()));
        }
        self.text(answer, "schema").map(|schema| RegisteredSchema::Avro(schema.into()))
    }

    fn text<'a>(&self, answer: &'a Value, name: &'static str) -> Result<&'a str, RegistryError> {
        answer.get(name).and_then(Value::as_str).ok_or_else(|| self.garbled(name))
    }

    fn garbled(&self, missing: &'static str) -> RegistryError {
        RegistryError::NotARegistry {
            url: self.addresses(),
            reason: format!("its answer lacks {missing}"),
        }
    }
}

/// What a registry says: Confluent's in `messages`, Apicurio's in `reason`.
fn why_incompatible(answer: &Value) -> String {
    let listed = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
    let messages: Vec<&str> = listed.filter_map(Value::as_str).collect();
    let reason = answer.get("reason").and_then(Value::as_str);
    let told = if messages.is_empty() {
        reason.unwrap_or_default().to_owned()
    } else {
        messages.join("; ")
    };
    if told.is_empty() { "the registry does not say why".to_owned() } else { told }
}
