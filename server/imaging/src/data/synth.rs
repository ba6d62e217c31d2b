//! Phantoms: computed prostate mpMRI examinations with known anatomy.
//!
//! Deterministic in the seed: patient `i` draws from stream `i` of a ChaCha8 generator, so a patient
//! does not depend on how many others there are or on how many cores work. The field of view is
//! always 72 x 96 x 96 mm; the size decides the voxel. Start reading at `anatomy` (what is where),
//! then `render` (what the scanner makes of it).

mod anatomy;
mod render;
mod shape;
mod texture;
mod tissue;

use std::{collections::BTreeMap, path::Path};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use transferscope_domain::{
    dataset::{Contents, DatasetManifest},
    metric::Split,
};

use self::{anatomy::Anatomy, render::Scan};
use super::{
    DataError, Geometry, Volume, manifest,
    split::{self, SplitPlan, Stratum},
    store::Staging,
    write::{self, Element},
};

/// Version of the generator: raised whenever the same seed gives other images.
pub const GENERATOR_VERSION: u32 = 1;

/// Field of view in mm, `[D, H, W]`.
pub const FIELD_OF_VIEW_MM: [f64; 3] = [72.0, 96.0, 96.0];

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthOptions {
    pub name: String,
    /// Patients who are dealt out to train, validate and test.
    pub patients: usize,
    /// Further patients who only test: they cost a training nothing and make its result surer.
    pub test_only: usize,
    pub seed: u64,
    /// Voxels, `[D, H, W]`.
    pub size: [usize; 3],
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { name: "phantom".into(), patients: 48, test_only: 16, seed: 0, size: [24, 96, 96] }
    }
}

impl SynthOptions {
    fn check(&self) -> Result<(), DataError> {
        if !manifest::is_name(&self.name) {
            return Err(DataError::BadName(self.name.clone()));
        }
        if !(1..=10_000).contains(&self.patients) {
            return Err(DataError::Options(format!("{} patients: use 1 to 10000", self.patients)));
        }
        if self.test_only > 10_000 {
            return Err(DataError::Options(format!("{} patients to test: use 0 to 10000", self.test_only)));
        }
        let [depth, height, width] = self.size;
        if !(4..=128).contains(&depth) || !(16..=512).contains(&height) || !(16..=512).contains(&width) {
            return Err(DataError::Options(format!(
                "size {depth}x{height}x{width}: use 4 to 128 slices of 16 to 512 rows and columns"
            )));
        }
        Ok(())
    }

    /// What the manifest says about where the images come from.
    pub fn source(&self) -> String {
        let [depth, height, width] = self.size;
        let more =
            if self.test_only > 0 { format!(" and {} to test", self.test_only) } else { String::new() };
        format!(
            "phantom generator {GENERATOR_VERSION}, seed {}, {} patients{more}, {depth}x{height}x{width} voxels",
            self.seed, self.patients
        )
    }

    /// Patients in all.
    pub fn total(&self) -> usize {
        self.patients + self.test_only
    }

    fn geometry(&self) -> Geometry {
        Geometry::centred(self.size, std::array::from_fn(|a| FIELD_OF_VIEW_MM[a] / self.size[a] as f64))
    }
}

/// One computed examination.
pub struct Phantom {
    /// t2w, adc, hbv, gland, zones, lesion: whole numbers all.
    pub volumes: BTreeMap<String, Volume>,
    /// Whether it holds a lesion that counts as clinically significant: at least 0.2 ml, and dark enough
    /// to be distinguished from its surroundings. About every second patient does.
    pub significant: bool,
}

/// Computes patient `index` of a seed on a grid of `size` voxels.
pub fn phantom(seed: u64, index: u64, size: [usize; 3]) -> Phantom {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    let anatomy = Anatomy::draw(&mut rng);
    let scan = Scan::new(size, FIELD_OF_VIEW_MM);
    Phantom { volumes: scan.run(&anatomy, &mut rng), significant: anatomy.is_significant() }
}

/// Makes a data set of phantoms; `progress` hears (done, total) patients.
///
/// A data set of this name made with the same options stays as it is and is returned.
///
/// # Errors
/// When the options make no sense, another data set has the name, or writing fails.
pub fn generate(
    datasets_dir: &Path,
    options: &SynthOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<DatasetManifest, DataError> {
    options.check()?;
    let target = datasets_dir.join(&options.name);
    if target.exists() {
        return match manifest::load(&target) {
            Ok(there) if there.synthetic && there.source == options.source() => Ok(there),
            _ => Err(DataError::Exists { name: options.name.clone(), path: target }),
        };
    }
    let staging = Staging::begin(datasets_dir, &options.name)?;
    let geometry = options.geometry();
    let contents = Contents::prostate();
    let cases_dir = staging.folder().join("cases");
    std::fs::create_dir_all(&cases_dir).map_err(DataError::io(&cases_dir))?;

    let mut cases = Vec::with_capacity(options.total());
    let mut strata = BTreeMap::new();
    let mut table = String::from("case_id,patient_id,cspca\n");
    let patients: Vec<usize> = (0..options.total()).collect();
    progress(0, options.total());
    for batch in patients.chunks(rayon::current_num_threads().max(1) * 2) {
        let made = batch
            .par_iter()
            .map(|&index| {
                let id = format!("phantom-{index:04}");
                let phantom = phantom(options.seed, index as u64, options.size);
                write_case(&cases_dir.join(&id), &phantom.volumes, &geometry)?;
                let mut entry = staging.add_case(&id, &id, &geometry, &phantom.volumes, &contents)?;
                entry.cspca = Some(phantom.significant);
                let lesion = phantom.volumes["lesion"].data.iter().any(|v| *v > 0.0);
                let stratum = Stratum::of(&entry, Some(lesion));
                Ok((entry, stratum))
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        for (entry, stratum) in made {
            table.push_str(&format!(
                "{0},{0},{1}\n",
                entry.case_id,
                if entry.cspca == Some(true) { "yes" } else { "no" }
            ));
            if cases.len() < options.patients {
                strata.insert(entry.patient_id.clone(), stratum);
            }
            cases.push(entry);
        }
        progress(cases.len(), options.total());
    }
    let table_path = cases_dir.join("cases.csv");
    std::fs::write(&table_path, table).map_err(DataError::io(&table_path))?;

    let (dealt, tests) = cases.split_at_mut(options.patients);
    split::assign(dealt, &strata, &BTreeMap::new(), SplitPlan::Single, options.seed)?;
    tests.iter_mut().for_each(|case| case.split = Split::Test);
    staging.publish(DatasetManifest {
        schema: manifest::SCHEMA,
        name: options.name.clone(),
        source: options.source(),
        synthetic: true,
        hash: manifest::content_hash(&cases),
        split_hash: manifest::split_hash(&cases),
        patient_sources: BTreeMap::from([("the generator".to_owned(), cases.len())]),
        notes: Vec::new(),
        cases,
        refused: Vec::new(),
        split_seed: options.seed,
        folds: None,
        contents,
        plan: None,
    })
}

/// Writes the volumes as a case folder that `dataset add` reads as well.
fn write_case(
    folder: &Path,
    volumes: &BTreeMap<String, Volume>,
    geometry: &Geometry,
) -> Result<(), DataError> {
    std::fs::create_dir_all(folder).map_err(DataError::io(folder))?;
    for (name, volume) in volumes {
        let element = if Contents::prostate().mask(name).is_some() { Element::U8 } else { Element::U16 };
        write::nifti(&folder.join(format!("{name}.nii.gz")), volume, geometry, element)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::case;

    fn options(name: &str, patients: usize) -> SynthOptions {
        SynthOptions { name: name.into(), patients, test_only: 0, seed: 7, size: [8, 32, 32] }
    }

    #[test]
    fn the_seed_decides_everything_and_patients_do_not_depend_on_their_number() {
        let root = tempfile::tempdir().unwrap();
        let two = generate(root.path(), &options("two", 2), &|_, _| ()).unwrap();
        let four = generate(root.path(), &options("four", 4), &|_, _| ()).unwrap();
        let hashes = |m: &DatasetManifest| m.cases.iter().map(|c| c.hash.clone()).collect::<Vec<_>>();
        assert_eq!(hashes(&two), hashes(&four)[..2]);
        assert!(two.synthetic && two.source.contains("seed 7"));
        let other = SynthOptions { seed: 8, ..options("other", 2) };
        assert_ne!(hashes(&generate(root.path(), &other, &|_, _| ()).unwrap()), hashes(&two));
        assert_eq!(generate(root.path(), &options("two", 2), &|_, _| ()).unwrap(), two);
        assert!(matches!(
            generate(root.path(), &options("two", 3), &|_, _| ()),
            Err(DataError::Exists { .. })
        ));
        let loaded = case::load(&root.path().join("two"), &two.cases[1]).unwrap();
        assert_eq!(loaded.volumes, phantom(7, 1, [8, 32, 32]).volumes);
    }

    #[test]
    fn those_who_only_test_change_nothing_for_the_others() {
        let root = tempfile::tempdir().unwrap();
        let plain = generate(root.path(), &options("plain", 6), &|_, _| ()).unwrap();
        let more = SynthOptions { test_only: 2, ..options("more", 6) };
        let more = generate(root.path(), &more, &|_, _| ()).unwrap();
        assert!(more.source.contains("6 patients and 2 to test"));
        let dealt = |m: &DatasetManifest| -> Vec<_> {
            m.cases[..6].iter().map(|c| (c.hash.clone(), c.split)).collect()
        };
        assert_eq!(dealt(&more), dealt(&plain));
        assert_eq!(more.cases.len(), 8);
        assert!(more.cases[6..].iter().all(|c| c.split == Split::Test));
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let try_with = |o: SynthOptions| generate(root.path(), &o, &|_, _| ()).unwrap_err().to_string();
        assert!(try_with(options("x", 0)).contains("0 patients"));
        assert!(try_with(SynthOptions { size: [24, 9999, 96], ..options("x", 1) }).contains("24x9999x96"));
        assert!(try_with(options("../x", 1)).contains("cannot be the name"));
    }

    #[test]
    fn about_every_second_patient_has_significant_cancer() {
        let patients = 400;
        let ill = (0..patients)
            .filter(|index| {
                let mut rng = ChaCha8Rng::seed_from_u64(0);
                rng.set_stream(*index);
                Anatomy::draw(&mut rng).is_significant()
            })
            .count();
        assert!((0.35..0.6).contains(&(ill as f64 / patients as f64)), "{ill} of {patients}");
    }

    #[test]
    fn phantoms_know_whether_there_is_cancer() {
        let root = tempfile::tempdir().unwrap();
        let made = generate(root.path(), &options("labelled", 8), &|_, _| ()).unwrap();
        for (index, entry) in made.cases.iter().enumerate() {
            assert_eq!(entry.cspca, Some(phantom(7, index as u64, [8, 32, 32]).significant));
        }
    }

    /// Contrasts follow what is known of the tissues, on average over patients.
    #[test]
    fn contrasts_are_those_of_the_prostate() {
        let mut sums = std::collections::BTreeMap::<(&str, &str), (f64, f64)>::new();
        let mut lesions = 0;
        for index in 0..12 {
            let phantom = phantom(1, index, [24, 96, 96]);
            let v = |name: &str| &phantom.volumes[name].data;
            let voxel_ml = 0.003;
            let gland = v("gland").iter().filter(|g| **g > 0.0).count() as f64 * voxel_ml;
            assert!((12.0..110.0).contains(&gland), "gland of {gland} ml");
            let any_lesion = v("lesion").iter().any(|l| *l > 0.0);
            lesions += usize::from(any_lesion);
            for i in 0..v("t2w").len() {
                assert!(v("gland")[i] == f32::from(v("zones")[i] > 0.0) && v("lesion")[i] <= v("gland")[i]);
                let tissue = match (v("lesion")[i] > 0.0, v("zones")[i] as u8) {
                    (true, _) => "lesion",
                    (false, 1) => "peripheral",
                    (false, 2) => "transition",
                    _ => continue,
                };
                for image in ["t2w", "adc", "hbv"] {
                    let (n, sum) = sums.entry((tissue, image)).or_default();
                    *n += 1.0;
                    *sum += f64::from(v(image)[i]);
                }
            }
        }
        let mean = |tissue, image| sums[&(tissue, image)].1 / sums[&(tissue, image)].0;
        assert!((2..12).contains(&lesions));
        assert!(mean("lesion", "t2w") < mean("transition", "t2w"));
        assert!(mean("transition", "t2w") < mean("peripheral", "t2w"));
        assert!(mean("lesion", "adc") < mean("transition", "adc"));
        assert!(mean("transition", "adc") < mean("peripheral", "adc"));
        assert!(mean("lesion", "hbv") > 1.3 * mean("peripheral", "hbv"));
        assert!((1200.0..2000.0).contains(&mean("peripheral", "adc")));
    }
}
