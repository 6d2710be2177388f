//! Mapping files: what they can say, and how their mistakes are told.

use std::fs;

use model_core::date::EventDate;
use model_core::listing::{Attribute, Facts};
use producers::error::{ReadError, RowError};
use producers::load::{ListingReader, LoadError, SaleReader};
use producers::mapping::{Mapping, Purpose};
use producers::source::SourceConfig;
use producers::{LoadedSales, load_listings, load_sales};
use tempfile::TempDir;

const TINY: &str = "currency = 'EUR'\nkey = 'id'\ndate = 'sold'\nprice = 'price'\n";

fn parse_error(text: &str) -> String {
    Mapping::parse(text, "my.toml").unwrap_err().to_string()
}

fn load(mapping: &str, name: &str, content: &str) -> Result<LoadedSales, LoadError> {
    let dir = TempDir::new().unwrap();
    let (data, toml) = (dir.path().join(name), dir.path().join("my.toml"));
    fs::write(&data, content).unwrap();
    fs::write(&toml, mapping).unwrap();
    load_sales(data, toml)
}

/// The error text, directories removed.
fn load_error(mapping: &str, content: &str) -> String {
    let text = load(mapping, "a.csv", content).unwrap_err().to_string();
    let words = text.split(' ').map(|word| match (word.starts_with('/'), word.rsplit_once('/')) {
        (true, Some((_, name))) => name,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn row_errors(mapping: &str, content: &str) -> Vec<String> {
    let loaded = load(mapping, "a.csv", content).unwrap();
    loaded.row_errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_row_becomes_a_sale() {
    let mapping = format!(
        "{TINY}missing = ['n/a']
        [fields]
        LivingArea = {{ column = 'm2', unit = 'square_metres' }}
        LotSizeSquareFeet = {{ column = 'ha', unit = 'hectares', missing = [0] }}
        BedroomsTotal = 'beds'
        BathroomsFull = 'baths'
        BathroomsHalf = 'half'
        YearBuilt = 'built'
        Stories = 'floors'
        PropertyType = 'type'
        PostalCode = 'zip'
        Latitude = 'lat'
        Longitude = 'lon'
        [attributes]
        wall = {{ kind = 'category' }}
        quality = {{ column = 'q', kind = 'number', missing = [-1, 'none'] }}
        [ignore]
        tax = 'assessed after the sale'"
    );
    let header =
        "id,sold,price,m2,ha,beds,baths,half,built,floors,type,zip,lat,lon,wall,q,tax,extra";
    let rows = "a,2020-02-29,250000,100,0.5,3,2.0,1,1990,1.5,House,02134,41.5,-83.5, brick ,7,1,x\n\
                b,2020-03-01,1e5,n/a,0.0,,n/a,,,,,,,,,-1.0,1,x\n";
    let loaded = load(&mapping, "a.csv", &format!("{header}\n{rows}")).unwrap();
    assert_eq!(loaded.row_errors, []);
    assert_eq!(loaded.unmapped_columns, ["extra"]);
    let [first, second] = loaded.sales.as_slice() else { panic!("two sales") };
    assert_eq!((first.key.as_str(), first.price, first.currency.as_str()), ("a", 250_000.0, "EUR"));
    assert_eq!(first.closed_on.to_string(), "2020-02-29");
    let facts = &first.facts;
    assert!((facts.living_area.unwrap() - 1_076.391_041_670_972_2).abs() < 1e-9);
    assert!((facts.lot_size.unwrap() - 53_819.552_083_548_6).abs() < 1e-6);
    let counts = (facts.bedrooms_total, facts.bathrooms_full, facts.bathrooms_half);
    assert_eq!(counts, (Some(3), Some(2), Some(1)));
    assert_eq!((facts.year_built, facts.stories), (Some(1990), Some(1.5)));
    assert_eq!(facts.property_type.as_deref(), Some("House"));
    assert_eq!(facts.postal_code.as_deref(), Some("02134"));
    assert_eq!(facts.coordinates(), Some((41.5, -83.5)));
    assert_eq!(facts.attributes["wall"], Attribute::Text("brick".into()));
    assert_eq!(facts.attributes["quality"], Attribute::Number(7.0));
    assert_eq!(facts.attributes.len(), 2);
    assert_eq!((second.price, &second.facts), (100_000.0, &Facts::default()));
}

#[test]
fn areas_become_square_feet() {
    let of = |field: &str, unit: &str| {
        let mapping = format!("{TINY}[fields]\n{field} = {{ column = 'a', unit = '{unit}' }}");
        let loaded = load(&mapping, "a.csv", "id,sold,price,a\n1,2020-01-01,1,2\n").unwrap();
        let facts = &loaded.sales[0].facts;
        facts.living_area.or(facts.lot_size).unwrap()
    };
    for (field, unit, expected) in [
        ("LivingArea", "square_feet", 2.0),
        ("LivingArea", "square_metres", 21.527_820_833_419_44),
        ("LotSizeSquareFeet", "square_feet", 2.0),
        ("LotSizeSquareFeet", "square_metres", 21.527_820_833_419_44),
        ("LotSizeSquareFeet", "acres", 87_120.0),
        ("LotSizeSquareFeet", "hectares", 215_278.208_334_194_4),
    ] {
        let found = of(field, unit);
        assert!((found / expected - 1.0).abs() < 1e-12, "{field} in {unit}: {found}");
    }
}

#[test]
fn keys_join_columns_or_count_rows() {
    let rows = "id,sold,price\n7,2020-01-01,1\n7,2020-01-02,1\n";
    let keys = |key: &str| -> Vec<String> {
        let mapping = TINY.replace("'id'", key) + "[ignore]\n";
        load(&mapping, "a.csv", rows).unwrap().sales.into_iter().map(|sale| sale.key).collect()
    };
    assert_eq!(keys("['id', 'sold']"), ["7-2020-01-01", "7-2020-01-02"]);
    assert_eq!(keys("{ generate = 'row_number' }"), ["1", "2"]);
    assert_eq!(keys("'id'"), ["7"]);
    assert_eq!(
        row_errors(TINY, rows),
        [
            "line 3: key `7` was used at line 2 already; a key names one sale (add a column, such as the date, to the mapping's `key`)"
        ]
    );
}

#[test]
fn dates_come_from_one_column_or_from_parts() {
    let with = |date: &str, content: &str| {
        let mapping = TINY.replace("'sold'", date);
        let loaded = load(&mapping, "a.csv", content).unwrap();
        let dates: Vec<String> =
            loaded.sales.iter().map(|sale| sale.closed_on.to_string()).collect();
        (dates, loaded.row_errors.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let (dates, errors) = with(
        "{ column = 'sold', format = '%d.%m.%Y' }",
        "id,sold,price\n1,13.10.2014,5\n2,10/13/2014,5\n3,,5\n",
    );
    assert_eq!(dates, ["2014-10-13"]);
    assert_eq!(
        errors,
        [
            "line 3, column `sold`: `10/13/2014` where a date like 13.10.2014 (%d.%m.%Y) is expected",
            "line 4, column `sold`: nothing where a date like 13.10.2014 (%d.%m.%Y) is expected",
        ]
    );
    let (dates, errors) = with(
        "{ year = 'y', month = 'm', day = 'd' }",
        "id,y,m,d,price\n1,2020,2,29,5\n2,2021,2,29,5\n3,2021,13,1,5\n",
    );
    assert_eq!(dates, ["2020-02-29"]);
    assert_eq!(
        errors,
        [
            "line 3, column `d`: `29` where a date that exists (not 2021-2-29) is expected",
            "line 4, column `m`: `13` where a month, 1 to 12 is expected",
        ]
    );
    let (dates, _) = with("{ year = 'y', month = 'm' }", "id,y,m,price\n1,2020,2,5\n");
    assert_eq!(dates, ["2020-02-01"]);
}

#[test]
fn bad_values_name_their_line_and_what_was_expected() {
    let mapping = format!(
        "{TINY}[fields]\nBedroomsTotal = 'beds'\nLivingArea = 'area'\n[attributes]\nq = {{ kind = 'number' }}"
    );
    let content = "id,sold,price,beds,area,q\n\
        1,2020-01-01,0,3,900,1\n\
        2,2020-01-01,5,3.5,900,1\n\
        3,2020-01-01,5,3,900,good\n\
        4,2020-01-01,5,3,-1,1\n\
        ,2020-01-01,5,3,900,1\n\
        6,2999-01-01,5,3,900,1\n\
        7,2020-01-01,\"$1,000\",3,900,1\n";
    let errors = row_errors(&mapping, content);
    assert_eq!(
        errors[..5],
        [
            "line 2, column `price`: `0` where a price above 0 is expected",
            "line 3, column `beds`: `3.5` where a whole number is expected",
            "line 4, column `q`: `good` where a number is expected",
            "line 5: LivingArea is -1, expected 1 to 1000000",
            "line 6, column `id`: nothing where a text or a number is expected",
        ]
    );
    assert!(errors[5].starts_with("line 7: CloseDate is 2999-01-01, after"), "{}", errors[5]);
    assert_eq!(errors[6], "line 8, column `price`: `$1,000` where a price above 0 is expected");
    let loaded = load(&mapping, "a.csv", content).unwrap();
    let codes: Vec<&str> = loaded.row_errors.iter().map(RowError::code).collect();
    assert_eq!(codes[3..6], ["out_of_range", "bad_value", "future_date"]);
    assert!(loaded.clone().accept_bad_rows(7).is_ok());
    let error = loaded.accept_bad_rows(6).unwrap_err().to_string();
    assert!(
        error.ends_with("a.csv: 7 bad rows, 6 accepted; the first: line 2, column `price`: `0` where a price above 0 is expected"),
        "{error}"
    );
}

#[test]
fn mistakes_in_a_mapping_are_told_with_the_nearest_name() {
    let cases = [
        (
            "curency = 'USD'",
            "mapping my.toml, line 1: unknown key `curency`; did you mean `currency`? (known: currency, key, date, price, listing_date, list_price, missing, fields, attributes, ignore)",
        ),
        ("", "mapping my.toml, line 1: missing field `currency`"),
        ("currency = ", "mapping my.toml, line 1: "),
        (
            &format!("{TINY}[fields]\nLivingAera = 'a'"),
            "mapping my.toml, line 6: unknown key `LivingAera`; did you mean `LivingArea`? (known: LivingArea, ",
        ),
        (
            &format!("{TINY}[fields]\nStories = {{ colum = 'a' }}"),
            "mapping my.toml, line 6: unknown key `colum`; did you mean `column`? (known: column, missing)",
        ),
        (
            &format!("{TINY}[fields]\nLivingArea = {{ column = 'a', unit = 'acres' }}"),
            "mapping my.toml, line 6: unknown value `acres` (known: square_feet, square_metres)",
        ),
        (
            &format!("{TINY}[fields]\nStories = 3"),
            "mapping my.toml, line 6: invalid type: integer `3`, expected the name of a column, or a table with `column`",
        ),
        (
            &format!("{TINY}[attributes]\nq = {{ kind = 'numbr' }}"),
            "mapping my.toml, line 6: unknown value `numbr`; did you mean `number`? (known: number, category)",
        ),
        (
            &format!("{TINY}[attributes]\nq = {{ }}"),
            "mapping my.toml, line 6: missing field `kind`",
        ),
        (
            &TINY.replace("'id'", "{ generate = 'rownumber' }"),
            "mapping my.toml, line 2: unknown value `rownumber`; did you mean `row_number`? (known: row_number)",
        ),
        (&TINY.replace("'id'", "[]"), "mapping my.toml, `key`: the list of columns is empty"),
        (
            &TINY.replace("'EUR'", "'euro'"),
            "mapping my.toml, `currency`: `euro` is not a three-letter ISO 4217 code",
        ),
        (
            &TINY.replace("date = 'sold'\n", ""),
            "mapping my.toml, `date`: missing; every record needs a date",
        ),
        (
            &TINY.replace("'sold'", "{ column = 'sold', month = 'm' }"),
            "mapping my.toml, line 3: a date is a column, { column, format }, or { year, month, day } with the day optional",
        ),
        (
            &TINY.replace("'sold'", "{ column = 'sold', format = '%Y-%m' }"),
            "mapping my.toml, `date`: `%Y-%m` does not give a whole date",
        ),
        (
            &format!("{TINY}[ignore]\ntax = ' '"),
            "mapping my.toml, `ignore.tax`: say why it is ignored",
        ),
        (
            &format!("{TINY}[ignore]\nprice = 'leaks'"),
            "mapping my.toml, `ignore.price`: the column is also used by `price`; it is one or the other",
        ),
    ];
    for (text, expected) in cases {
        let error = parse_error(text);
        assert!(error.starts_with(expected), "\n{error}\ndoes not start with\n{expected}");
    }
    let error = Mapping::load("no/such.toml").unwrap_err().to_string();
    assert!(error.starts_with("cannot read the mapping no/such.toml: "), "{error}");
}

#[test]
fn a_mapping_that_does_not_fit_the_source_says_where() {
    let content = "id,sold,Price\n1,2020-01-01,5\n";
    assert_eq!(
        load_error(TINY, content),
        "a.csv has no column `price`, which `price` in the mapping my.toml names; did you mean `Price`?"
    );
    let mapping = format!("{TINY}[attributes]\nwall = {{ kind = 'category' }}\n");
    assert_eq!(
        load_error(&mapping, "id,sold,price\n1,2020-01-01,5\n"),
        "a.csv has no column `wall`, which `attributes.wall` in the mapping my.toml names"
    );
    assert_eq!(
        load_error(&TINY.replace("price = 'price'\n", ""), content),
        "the mapping my.toml has no `price`, which sales need"
    );
}

#[test]
fn listings_need_no_price() {
    let dir = TempDir::new().unwrap();
    let (data, toml) = (dir.path().join("a.jsonl"), dir.path().join("my.toml"));
    fs::write(&data, "{\"id\": 1, \"listed\": \"2020-01-01\", \"asked\": 9}\n{\"id\": 2, \"listed\": \"2020-01-02\"}\n")
        .unwrap();
    fs::write(&toml, format!("{TINY}listing_date = 'listed'\nlist_price = 'asked'\n")).unwrap();
    let loaded = load_listings(&data, &toml).unwrap();
    assert_eq!((loaded.row_errors.len(), loaded.unmapped_columns.len()), (0, 0));
    let listed: Vec<_> = loaded
        .listings
        .iter()
        .map(|listing| (listing.key.as_str(), listing.listed_on.to_string(), listing.list_price))
        .collect();
    assert_eq!(
        listed,
        [("1", "2020-01-01".to_owned(), Some(9.0)), ("2", "2020-01-02".to_owned(), None)]
    );
    let mapping = Mapping::load(&toml).unwrap();
    assert!(ListingReader::open(&SourceConfig::file(&data), &mapping).is_ok());
    assert!(SaleReader::open(&SourceConfig::file(&data), &mapping).is_err());
    let columns = ["id", "sold", "price"].map(str::to_owned);
    assert!(mapping.bind("a table", &columns, Purpose::Sales).is_ok());
}

#[test]
fn a_reader_goes_on_after_bad_rows() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("a.csv");
    fs::write(&data, "id,sold,price\n1,2020-01-01,5\n2,2020-01-01\n3,x,5\n4,2020-01-01,5\n")
        .unwrap();
    let mapping = Mapping::parse(TINY, "my.toml").unwrap();
    let source = producers::source::open(&SourceConfig::file(&data)).unwrap();
    let reader = SaleReader::new(source, &mapping, EventDate(30_000)).unwrap();
    let outcomes: Vec<String> = reader
        .map(|item| match item {
            Ok(sale) => sale.key,
            Err(ReadError::Row(error)) => error.code().to_owned(),
            Err(ReadError::Source(error)) => error.to_string(),
        })
        .collect();
    assert_eq!(outcomes, ["1", "malformed_row", "bad_value", "4"]);
}
