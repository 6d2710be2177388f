//! `homestream bench pass-through`: the scorer's way of reading and writing with nothing
//! between. What a scorer costs beyond it is pricing.

use platform_kafka::{
    Broker, Outgoing, Pipeline, PipelineConfig, Record, TopicSpec, create_topics, end_offsets,
};
use schemas::TopicNames;
use tokio_util::sync::CancellationToken;

use super::args::PassThroughArgs;
use crate::error::CliError;
use crate::serve;
use crate::settings::Settings;

/// Name under which it reports progress.
const SERVICE: &str = "pass-through";

/// Where listings go that pass through.
pub(crate) fn output_topic(topics: &TopicNames) -> String {
    format!("{}.pass-through", topics.listings())
}

/// Passes listings through until it is interrupted.
///
/// # Errors
/// Wrong usage without a broker; otherwise what failed.
pub(crate) async fn run(
    settings: Settings,
    args: PassThroughArgs,
    stop: CancellationToken,
) -> Result<(), CliError> {
    let Some(deployment) = serve::alone(&settings, &[], stop.clone()).await? else {
        return Ok(());
    };
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let listings = topics.listings();
    let partitions = end_offsets(&deployment.broker, &[&listings]).await;
    let output = TopicSpec {
        name: output_topic(&topics),
        partitions: i32::try_from(partitions.map_err(CliError::failed)?.len()).unwrap_or(1),
        replication: settings.topics.replication,
        settings: Default::default(),
    };
    let topic = output.name.as_str().into();
    create_topics(&Broker::Remote(deployment.broker.clone()), &[output])
        .await
        .map_err(CliError::failed)?;
    let config = PipelineConfig {
        service: SERVICE,
        group: settings.scorer.group(&listings),
        delivery: settings.scorer.delivery(deployment.broker.embedded),
    };
    let mut pipeline = Pipeline::start(&deployment.broker, config, deployment.progress.clone())
        .await
        .map_err(CliError::failed)?;
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = pipeline.next() => batch.map_err(CliError::failed)?,
        };
        let Some(mut batch) = batch else { break };
        let outputs = match args.consume_only {
            true => Vec::new(),
            false => batch.records.iter_mut().map(|record| passed(record, &topic)).collect(),
        };
        pipeline.answer(&batch, outputs).await.map_err(CliError::failed)?;
    }
    pipeline.close(settings.scorer.drain_deadline()).await.map_err(CliError::failed)
}

/// The same record for another topic.
fn passed(record: &mut Record, topic: &std::sync::Arc<str>) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        key: record.key.take(),
        payload: record.payload.take(),
        headers: std::mem::take(&mut record.headers),
        timestamp_ms: record.timestamp_ms,
    }
}
