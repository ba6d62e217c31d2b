//! Adds a folder as a data set, to measure how long it takes and how much memory:
//! `/usr/bin/time -v target/release/examples/import FOLDER OUT t2w='t2*tra*' adc='*adc*'`. Without OUT (`-`) it is only
//! tried.

use std::{path::Path, time::Instant};

use transferscope_domain::dataset::Description;
use transferscope_imaging::data::import::{AddOptions, add_with, dry_run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(out)) = (words.next(), words.next()) else {
        return Err("FOLDER OUT [IMAGE=PATTERN]... was expected".into());
    };
    let mut description = Description::default();
    for word in words {
        let (name, pattern) = word.split_once('=').ok_or("IMAGE=PATTERN was expected")?;
        description.series.insert(name.parse()?, pattern.to_owned());
    }
    let options = AddOptions { description, ..AddOptions::default() };
    let start = Instant::now();
    if out == "-" {
        let (report, _) = dry_run(Path::new(&folder), &options)?;
        println!("{report}tried in {:.1} s", start.elapsed().as_secs_f64());
        return Ok(());
    }
    let made = add_with(Path::new(&out), Path::new(&folder), &options, &|_, _| ())?;
    println!("{} cases added in {:.1} s", made.cases.len(), start.elapsed().as_secs_f64());
    for case in made.cases.iter().take(3) {
        println!("{}: {} {:?} {:?}", case.case_id, case.prepared, case.channels, case.notes);
    }
    Ok(())
}
