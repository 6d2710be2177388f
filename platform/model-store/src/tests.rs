//! Tests of the store on a temporary folder.

use tempfile::TempDir;

use super::*;

/// SHA-256 of "abc", from FIPS 180-4.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn store() -> (TempDir, ModelStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::open(folder.path().join("models")).unwrap();
    (folder, store)
}

fn files(store: &ModelStore) -> Vec<String> {
    fs::read_dir(store.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn an_artifact_is_stored_under_its_digest_and_read_back() {
    let (_folder, store) = store();
    assert!(!store.contains(ABC).unwrap());
    assert_eq!(store.put(b"abc").unwrap(), ABC);
    assert!(store.contains(ABC).unwrap());
    assert_eq!(store.get(ABC).unwrap(), b"abc");
    assert_eq!(store.put(b"abc").unwrap(), ABC, "putting it again changes nothing");
    assert_eq!(files(&store), [ABC], "no temporary file is left");

    let empty = store.put(b"").unwrap();
    assert_eq!(store.get(&empty).unwrap(), b"");
}

#[test]
fn a_store_is_found_again_by_another_process() {
    let (_folder, store) = store();
    store.put(b"abc").unwrap();
    let again = ModelStore::open(store.folder()).unwrap();
    assert_eq!(again.get(ABC).unwrap(), b"abc");
}

#[test]
fn a_damaged_artifact_is_refused_and_can_be_repaired() {
    let (_folder, store) = store();
    store.put(b"abc").unwrap();
    let path = store.folder().join(ABC);
    fs::write(&path, b"abd").unwrap();
    let error = store.get(ABC).unwrap_err();
    assert_eq!(error.code(), "damaged");
    assert_eq!(
        error.to_string(),
        format!(
            "artifact {} is damaged: its digest is {}, not {ABC}",
            path.display(),
            digest_of(b"abd")
        )
    );
    // A torn write, as after a crash of a store that does not sync.
    fs::write(&path, b"ab").unwrap();
    assert_eq!(store.get(ABC).unwrap_err().code(), "damaged");
    store.put(b"abc").unwrap();
    assert_eq!(store.get(ABC).unwrap(), b"abc");
}

#[test]
fn a_missing_artifact_is_named_with_its_path() {
    let (_folder, store) = store();
    let error = store.get(ABC).unwrap_err();
    assert_eq!(error.code(), "not_found");
    assert!(error.to_string().contains(store.folder().join(ABC).to_str().unwrap()), "{error}");
}

#[test]
fn nothing_but_a_digest_reaches_the_file_system() {
    let (folder, store) = store();
    fs::write(folder.path().join("secret"), b"secret").unwrap();
    let upper = ABC.to_uppercase();
    let long = format!("{ABC}0");
    let traversal = format!("../{}", "a".repeat(61));
    let cases =
        ["", "../secret", "/etc/passwd", "abc", &upper, &long, &traversal, "a\nb", &ABC[..63]];
    for digest in cases {
        let error = store.get(digest).unwrap_err();
        assert_eq!(error.code(), "malformed_digest", "{digest:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
        assert_eq!(store.contains(digest).unwrap_err().code(), "malformed_digest");
    }
}

#[test]
fn an_artifact_beyond_the_limit_is_refused_before_it_is_read() {
    let (_folder, store) = store();
    let path = store.folder().join(ABC);
    // A sparse file takes no room on disk.
    File::create(&path).unwrap().set_len(MAX_ARTIFACT_BYTES + 1).unwrap();
    let error = store.get(ABC).unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, b"").unwrap();
    let error = ModelStore::open(&file).unwrap_err();
    assert_eq!(error.code(), "io");
    let expected = format!("create model store {}: ", file.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn many_writers_of_one_artifact_agree() {
    let (_folder, store) = store();
    let artifact = vec![7_u8; 1_000_000];
    let digests: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| store.put(&artifact).unwrap())).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!(store.get(&digests[0]).unwrap(), artifact);
    assert_eq!(files(&store), [digests[0].clone()]);
}
