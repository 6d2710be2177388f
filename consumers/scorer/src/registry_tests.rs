//! The follower against a store in a temporary folder.

use model_core::registry::RegistryAction::{Promoted, Registered, Rejected, RolledBack};

use super::*;
use crate::testing::{model_ref, pricing_model, registry_event};

struct Fixture {
    follower: RegistryFollower,
    store: ModelStore,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path()).unwrap();
    let follower = RegistryFollower::new("homes".into(), store.clone());
    Fixture { follower, store, _folder: folder }
}

impl Fixture {
    fn register(&mut self, version: &str, digest: &str) {
        self.follower.apply(&registry_event(version, Registered, digest));
    }

    fn promote(&mut self, version: &str) {
        self.follower.apply(&registry_event(version, Promoted, ""));
    }

    /// The champion to install, given the version that serves.
    fn next(&self, serving: Option<&str>) -> Result<Option<String>, ArtifactRefused> {
        let champion = self.follower.champion().filter(|it| Some(&*it.version) != serving);
        champion.map(|it| load(&self.store, &it).map(|_| it.version)).transpose()
    }
}

#[test]
fn a_promotion_swaps_and_nothing_else_does() {
    let mut fixture = fixture();
    let digest = fixture.store.put(&pricing_model().to_bytes().unwrap()).unwrap();
    assert_eq!(fixture.next(None).unwrap(), None);
    fixture.register("v1", &digest);
    assert_eq!(fixture.next(None).unwrap(), None, "registered is not promoted");
    fixture.promote("v1");
    let reference = fixture.follower.champion().unwrap();
    assert_eq!(reference, model_ref("v1"));
    let model = load(fixture.follower.store(), &reference).unwrap();
    assert_eq!(model.spec, pricing_model().spec);
    assert_eq!(fixture.next(Some("v1")).unwrap(), None, "it serves already");
    fixture.register("v2", &digest);
    fixture.follower.apply(&registry_event("v2", Rejected, ""));
    fixture.follower.apply(&registry_event("v2", RolledBack, ""));
    assert_eq!(fixture.next(Some("v1")).unwrap(), None, "nothing rolls back to a rejected one");
    fixture.register("v3", &digest);
    fixture.promote("v3");
    assert_eq!(fixture.next(Some("v1")).unwrap().as_deref(), Some("v3"));
    fixture.follower.apply(&registry_event("v1", RolledBack, ""));
    assert_eq!(fixture.next(Some("v3")).unwrap().as_deref(), Some("v1"));
}

#[test]
fn another_models_events_are_not_ours() {
    let mut fixture = fixture();
    let digest = fixture.store.put(&pricing_model().to_bytes().unwrap()).unwrap();
    for action in [Registered, Promoted] {
        let event = registry_event("v1", action, &digest);
        fixture.follower.apply(&RegistryEvent { model: "rents".into(), ..event });
    }
    assert_eq!(fixture.next(None).unwrap(), None);
}

#[test]
fn an_artifact_that_is_damaged_missing_or_no_model_is_refused_by_name() {
    let mut fixture = fixture();
    let good = fixture.store.put(&pricing_model().to_bytes().unwrap()).unwrap();
    let no_model = fixture.store.put(b"not a model").unwrap();
    fixture.register("v1", &good);
    fixture.register("v2", &"ab".repeat(32));
    fixture.register("v3", &no_model);

    std::fs::write(fixture.store.folder().join(&good), b"flipped").unwrap();
    for (version, words) in [("v1", "damaged"), ("v2", "not in the model store"), ("v3", "marker")]
    {
        fixture.promote(version);
        let error = fixture.next(Some("v0")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("model {version}: ")), "{error}");
        assert!(error.contains(words), "{error}");
    }
    // Once the artifact is whole again, it is served.
    fixture.store.put(&pricing_model().to_bytes().unwrap()).unwrap();
    fixture.follower.apply(&registry_event("v1", RolledBack, ""));
    assert_eq!(fixture.next(Some("v0")).unwrap().as_deref(), Some("v1"));
}
