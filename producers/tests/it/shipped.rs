//! The data and the mappings in `data/`.

use std::fs;
use std::path::{Path, PathBuf};

use model_core::listing::Attribute;
use producers::{LoadedSales, load_sales, plan_replay};
use tempfile::TempDir;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(path)
}

fn sample(mapping: &str, rows: &str) -> LoadedSales {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sample.csv");
    fs::write(&path, rows).unwrap();
    load_sales(&path, data(mapping)).unwrap()
}

#[test]
fn lucas_county_loads_whole() {
    let loaded =
        load_sales(data("lucas_county/lucas_county.csv.gz"), data("lucas_county/mapping.toml"))
            .unwrap();
    assert_eq!((loaded.row_errors, loaded.unmapped_columns), (vec![], vec![]));
    let sales = loaded.sales;
    assert_eq!(sales.len(), 25_357);
    let (first, last) = (&sales[0], &sales[sales.len() - 1]);
    assert_eq!((first.key.as_str(), first.price), ("801", 48_000.0));
    assert_eq!(first.closed_on.to_string(), "1993-01-04");
    assert_eq!(last.closed_on.to_string(), "1998-10-05");
    let lacking =
        |name: &str| sales.iter().filter(|sale| !sale.facts.attributes.contains_key(name)).count();
    assert_eq!((lacking("depth_feet"), lacking("frontage_feet")), (3_878, 31));
    assert_eq!((lacking("wall"), lacking("garage_square_feet")), (0, 0));
    let known = sales.iter().filter(|sale| {
        let facts = &sale.facts;
        facts.living_area.and(facts.lot_size).and(facts.year_built).and(facts.latitude).is_some()
    });
    assert_eq!(known.count(), 25_357);
    let facts = &first.facts;
    assert_eq!((facts.living_area, facts.bedrooms_total), (Some(988.0), Some(2)));
    assert_eq!(facts.coordinates(), Some((41.567_956, -83.651_951)));
    let names: Vec<&str> = facts.attributes.keys().map(String::as_str).collect();
    let expected =
        ["depth_feet", "frontage_feet", "garage", "garage_square_feet", "levels", "rooms", "wall"];
    assert_eq!(names, expected);
    assert_eq!(facts.attributes["levels"], Attribute::Text("one".into()));
    assert!(sales.iter().all(|sale| !sale.facts.attributes.contains_key("avalue")));

    let plan = plan_replay(sales, 0.3).unwrap();
    assert_eq!(plan.history.len() + plan.live.len() / 2, 25_357);
    let day = plan.first_live_day().unwrap();
    assert!(plan.history.iter().all(|sale| sale.closed_on < day));
    assert_eq!(plan.listings().count() * 2, plan.live.len());
}

#[test]
fn the_appraisal_is_not_in_the_shipped_file() {
    let source = producers::source::open(&producers::source::SourceConfig::file(data(
        "lucas_county/lucas_county.csv.gz",
    )))
    .unwrap();
    assert_eq!(source.columns().len(), 18);
    assert!(!source.columns().iter().any(|column| column == "avalue"));
}

/// Three rows in the form of King County's file; the values are made up.
#[test]
fn king_county_maps() {
    let rows = "\
id,date,price,bedrooms,bathrooms,sqft_living,sqft_lot,floors,waterfront,view,condition,grade,sqft_above,sqft_basement,yr_built,yr_renovated,zipcode,lat,long,sqft_living15,sqft_lot15
\"0000100012\",\"20140502T000000\",310000,3,1.75,1500,6000,\"1\",0,0,3,7,1500,0,1955,0,\"98001\",47.5,-122.25,1400,5900
\"0000100012\",\"20150401T000000\",390000,3,1.75,1500,6000,\"1\",0,0,4,7,1500,0,1955,2014,\"98001\",47.5,-122.25,1400,5900
\"0000100020\",\"20141013T000000\",1.1e+06,33,2.5,2800,9000,\"2.5\",1,4,3,10,2000,800,1999,0,\"98101\",47.6,-122.3,2500,8000
";
    let loaded = sample("mappings/king_county.toml", rows);
    assert_eq!((loaded.row_errors, loaded.unmapped_columns), (vec![], vec![]));
    let [first, again, big] = loaded.sales.as_slice() else { panic!("three sales") };
    assert_eq!(first.key, "0000100012-20140502T000000");
    assert_eq!(again.key, "0000100012-20150401T000000");
    assert_eq!(again.closed_on.to_string(), "2015-04-01");
    assert_eq!(first.facts.postal_code.as_deref(), Some("98001"));
    assert_eq!((big.facts.stories, big.facts.bedrooms_total), (Some(2.5), Some(33)));
    assert_eq!(big.price, 1_100_000.0);
    assert_eq!(first.facts.attributes["bathrooms"], Attribute::Number(1.75));
    assert!(!first.facts.attributes.contains_key("yr_renovated"));
    assert_eq!(again.facts.attributes["yr_renovated"], Attribute::Number(2014.0));
    assert_eq!(first.facts.attributes.len(), 9);
}

/// Three rows in the form of the Ames file; the values are made up.
#[test]
fn ames_maps() {
    let header = "MS_SubClass,MS_Zoning,Lot_Frontage,Lot_Area,Street,Alley,Lot_Shape,Land_Contour,Utilities,Lot_Config,Land_Slope,Neighborhood,Condition_1,Condition_2,Bldg_Type,House_Style,Overall_Cond,Year_Built,Year_Remod_Add,Roof_Style,Roof_Matl,Exterior_1st,Exterior_2nd,Mas_Vnr_Type,Mas_Vnr_Area,Exter_Cond,Foundation,Bsmt_Cond,Bsmt_Exposure,BsmtFin_Type_1,BsmtFin_SF_1,BsmtFin_Type_2,BsmtFin_SF_2,Bsmt_Unf_SF,Total_Bsmt_SF,Heating,Heating_QC,Central_Air,Electrical,First_Flr_SF,Second_Flr_SF,Gr_Liv_Area,Bsmt_Full_Bath,Bsmt_Half_Bath,Full_Bath,Half_Bath,Bedroom_AbvGr,Kitchen_AbvGr,TotRms_AbvGrd,Functional,Fireplaces,Garage_Type,Garage_Finish,Garage_Cars,Garage_Area,Garage_Cond,Paved_Drive,Wood_Deck_SF,Open_Porch_SF,Enclosed_Porch,Three_season_porch,Screen_Porch,Pool_Area,Pool_QC,Fence,Misc_Feature,Misc_Val,Mo_Sold,Year_Sold,Sale_Type,Sale_Condition,Sale_Price,Longitude,Latitude";
    let row = "One_Story,Low,FRONTAGE,10000,Pave,None,Reg,Lvl,All,Inside,Gtl,North,Norm,Norm,OneFam,One,Average,1960,1970,Hip,Comp,Brick,Brick,None,0.0,Typical,CBlock,Good,Gd,BLQ,2.0,Unf,0.0,400.0,1000.0,GasA,Fair,Y,SBrkr,1500,0,1500,1.0,0.0,1,0,3,1,7,Typ,2,Attchd,Fin,2.0,500.0,Typical,Paved,200,60,0,0,0,0,No_Pool,No_Fence,None,0,MONTH,2010,WD ,Normal,200000,-93.6,42.05";
    let rows: Vec<String> = [("80.0", "5"), ("0.0", "12"), ("81.0", "1")]
        .map(|(frontage, month)| row.replace("FRONTAGE", frontage).replace("MONTH", month))
        .into();
    let loaded = sample("mappings/ames.toml", &format!("{header}\n{}\n", rows.join("\n")));
    assert_eq!((loaded.row_errors, loaded.unmapped_columns), (vec![], vec![]));
    let keys: Vec<&str> = loaded.sales.iter().map(|sale| sale.key.as_str()).collect();
    assert_eq!(keys, ["1", "2", "3"]);
    let dates: Vec<String> = loaded.sales.iter().map(|sale| sale.closed_on.to_string()).collect();
    assert_eq!(dates, ["2010-05-01", "2010-12-01", "2010-01-01"]);
    let attributes = &loaded.sales[1].facts.attributes;
    assert_eq!(attributes["Mas_Vnr_Type"], Attribute::Text("None".into()));
    assert_eq!(attributes["Sale_Type"], Attribute::Text("WD".into()));
    assert!(!attributes.contains_key("Lot_Frontage"));
    assert!(!attributes.contains_key("BsmtFin_SF_1"));
    // 74 columns: 11 are key facts and dates, one is ignored, one is missing in this row.
    assert_eq!(attributes.len(), 61);
}
