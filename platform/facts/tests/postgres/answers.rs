//! What a server that is well answers.

use platform_facts::{Answer, FactError, FactKey, FactSource, FactValue, PostgresSource};

use crate::support::{SERVER, number, run, settings, text};

async fn load(source: &PostgresSource, keys: &[&str]) -> Result<Vec<Answer>, FactError> {
    let keys: Vec<FactKey> = keys.iter().map(|key| FactKey::from(*key)).collect();
    source.load(&keys).await
}

fn row(answer: &Answer) -> Option<Vec<Option<FactValue>>> {
    match answer {
        Answer::Found(row) => Some(row.to_vec()),
        Answer::Absent => None,
        Answer::Failed(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_scalar_type_becomes_a_fact() {
    let _server = SERVER.read().await;
    run("DROP TABLE IF EXISTS kinds;
         CREATE TABLE kinds (parcel text PRIMARY KEY, t varchar(9), c char(4), i int, b bigint,
             n numeric(9, 3), r real, f float8, y boolean, d date, nan float8, j jsonb, \"Odd \"\"x\" int);
         INSERT INTO kinds VALUES ('a''b', 'zone', 'x', -7, 123456789012, 1.125, 0.5, 0.1, true,
             '1996-07-01', 'NaN', '[1]', 3);
         INSERT INTO kinds VALUES ('nothing')")
        .await;
    let mut settings = settings("public.kinds");
    let columns = ["t", "c", "i", "b", "n", "r", "f", "y", "d", "nan", "j", "Odd \"x"];
    settings.columns = columns.map(String::from).to_vec();
    let source = PostgresSource::new(settings).unwrap();
    let answers = load(&source, &["nothing", "a'b", "absent", "'; DROP TABLE kinds; --"]).await;
    let answers = answers.unwrap();
    assert_eq!(row(&answers[0]), Some(vec![None; 12]));
    let expected = vec![
        text("zone"),
        text("x"),
        number(-7.0),
        number(123_456_789_012.0),
        number(1.125),
        number(0.5),
        number(0.1),
        text("true"),
        text("1996-07-01"),
        None,
        None,
        number(3.0),
    ];
    assert_eq!(row(&answers[1]), Some(expected));
    assert_eq!((row(&answers[2]), row(&answers[3])), (None, None));
}

#[tokio::test]
async fn keys_are_texts_or_integers_and_anything_else_is_refused() {
    let _server = SERVER.read().await;
    for (kind, keys) in [
        ("varchar(20)", ["42", "x-1"]),
        ("char(20)", ["42", "x-1"]),
        ("smallint", ["42", "-1"]),
        ("int", ["42", "-1"]),
        ("bigint", ["42", "9000000000"]),
    ] {
        run(&format!(
            "DROP TABLE IF EXISTS keyed;
             CREATE TABLE keyed (parcel {kind} PRIMARY KEY, zone text, depth int);
             INSERT INTO keyed VALUES ('{}', 'A', 1), ('{}', 'B', 2)",
            keys[0], keys[1]
        ))
        .await;
        let source = PostgresSource::new(settings("keyed")).unwrap();
        let asked = [keys[0], "no number", keys[1], "99999999999999999999"];
        let answers = load(&source, &asked).await.unwrap();
        let zones: Vec<_> = answers.iter().map(|a| row(a).map(|row| row[0].clone())).collect();
        assert_eq!(zones, [Some(text("A")), None, Some(text("B")), None], "{kind}");
    }
    run("DROP TABLE IF EXISTS keyed; CREATE TABLE keyed (parcel uuid, zone text, depth int)").await;
    let source = PostgresSource::new(settings("keyed")).unwrap();
    let told = load(&source, &["a"]).await.unwrap_err().to_string();
    assert!(told.starts_with("key_column: parcel makes a parameter of type _uuid"), "{told}");
}

#[tokio::test]
async fn of_several_rows_the_same_one_is_taken_each_time() {
    let _server = SERVER.read().await;
    run("DROP TABLE IF EXISTS twice;
         CREATE TABLE twice (parcel text, zone text, depth int);
         INSERT INTO twice VALUES ('a', 'B', 1), ('a', 'A', 2), ('a', 'C', 0)")
    .await;
    let source = PostgresSource::new(settings("twice")).unwrap();
    let answers = load(&source, &["a"]).await.unwrap();
    assert_eq!(row(&answers[0]), Some(vec![text("A"), number(2.0)]));
}

#[tokio::test]
async fn what_is_missing_on_the_server_is_named_and_found_once_it_is_there() {
    let _server = SERVER.read().await;
    run("DROP TABLE IF EXISTS late").await;
    let source = PostgresSource::new(settings("late")).unwrap();
    let told = load(&source, &["a"]).await.unwrap_err().to_string();
    assert!(told.contains("relation \"late\" does not exist"), "{told}");
    run("CREATE TABLE late (parcel text, zone text)").await;
    let told = load(&source, &["a"]).await.unwrap_err().to_string();
    assert!(told.contains("column \"depth\" does not exist"), "{told}");
    run("ALTER TABLE late ADD depth int; INSERT INTO late VALUES ('a', 'A', 1)").await;
    assert_eq!(row(&load(&source, &["a"]).await.unwrap()[0]), Some(vec![text("A"), number(1.0)]));
    // A change that the prepared query cannot outlive costs one load.
    run("ALTER TABLE late ALTER depth TYPE text USING 'deep'").await;
    let answers = match load(&source, &["a"]).await {
        Ok(answers) => answers,
        Err(_) => load(&source, &["a"]).await.unwrap(),
    };
    assert_eq!(row(&answers[0]), Some(vec![text("A"), text("deep")]));
}

#[tokio::test]
async fn nothing_can_be_written() {
    let _server = SERVER.read().await;
    run("DROP VIEW IF EXISTS writing; DROP TABLE IF EXISTS written;
         CREATE TABLE written (parcel text);
         CREATE OR REPLACE FUNCTION write() RETURNS text LANGUAGE sql AS
             $$ INSERT INTO written VALUES ('x') RETURNING parcel $$;
         CREATE VIEW writing AS SELECT 'a'::text AS parcel, write() AS zone, 1 AS depth")
    .await;
    let source = PostgresSource::new(settings("writing")).unwrap();
    let told = load(&source, &["a"]).await.unwrap_err().to_string();
    assert!(told.contains("read-only transaction"), "{told}");
}
