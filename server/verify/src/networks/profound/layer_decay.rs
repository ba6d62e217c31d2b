//! The groups in which ProFound fine-tunes the parameters of its encoder.

use std::collections::BTreeSet;

use transferscope_ml::{
    family::profound_conv::{
        convnext::{ConvNext, ConvNextConfig},
        layer_decay::{LayerDecay, Numbering, decays},
    },
    params::shapes,
};

use crate::{Cases, Folder, Problem, Tolerance, number};

pub const FILE: &str = "models/profound_layer_decay_tiny.json";

/// Powers of the decay, in double precision on both sides.
const POWER: Tolerance = Tolerance::relative(1e-12);
/// Most blocks of a stage.
const DEPTH_LIMIT: usize = 256;

/// Compares learning rate, weight decay and layer of every parameter.
pub fn check(folder: &Folder, cases: &mut Cases) -> Result<(), Problem> {
    let file = folder.json(FILE)?;
    let types = file.as_object().ok_or_else(|| Problem::new(format!("{FILE} is no table")))?;
    for (name, of) in types {
        let numbering = match name.as_str() {
            "single" => Numbering::Single,
            "group" => Numbering::Group,
            _ => return Err(Problem::new(format!("{FILE}: {name} is no way to number layers"))),
        };
        compare(name, numbering, of, cases)?;
    }
    Ok(())
}

/// One parameter in its group.
struct Row<'a> {
    name: &'a str,
    lr_scale: f64,
    weight_decay: f64,
    layer: f64,
}

fn rows(table: &serde_json::Value) -> Result<Vec<Row<'_>>, Problem> {
    let wrong = |what: &str| Problem::new(format!("{FILE}: {what}"));
    let mut rows = Vec::new();
    for group in table["groups"].as_array().ok_or_else(|| wrong("there is no list of groups"))? {
        for name in group["names"].as_array().ok_or_else(|| wrong("a group has no names"))? {
            rows.push(Row {
                name: name.as_str().ok_or_else(|| wrong("a name is no text"))?,
                lr_scale: number(&group["lr_scale"])?,
                weight_decay: number(&group["weight_decay"])?,
                layer: number(&group["layer_id"])?,
            });
        }
    }
    Ok(rows)
}

/// Blocks of the stages, by the parameters' names.
fn depths(rows: &[Row<'_>]) -> Result<[usize; 4], Problem> {
    let mut depths = [0; 4];
    for row in rows {
        let mut parts = row.name.split('.');
        if parts.next() != Some("stages") {
            continue;
        }
        let mut number = || parts.next().and_then(|n| n.parse::<usize>().ok());
        let (stage, block) = number()
            .zip(number())
            .filter(|(s, b)| *s < 4 && *b < DEPTH_LIMIT)
            .ok_or_else(|| Problem::new(format!("{FILE}: {} is no parameter of four stages", row.name)))?;
        depths[stage] = depths[stage].max(block + 1);
    }
    Ok(depths)
}

fn compare(
    kind: &str,
    numbering: Numbering,
    table: &serde_json::Value,
    cases: &mut Cases,
) -> Result<(), Problem> {
    let rows = rows(table)?;
    let depths = depths(&rows)?;
    // Names do not depend on the number of channels.
    let config = ConvNextConfig { in_channels: 1, depths, dims: [1; 4] };
    let parameters = shapes(&ConvNext::<burn_flex::Flex>::new(&config, &Default::default()));
    let ours: BTreeSet<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let theirs: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    let differs = ours.symmetric_difference(&theirs).next();
    let twice = (theirs.len() != rows.len()).then(|| "a parameter is in two groups".to_owned());
    let differs = differs.map(|name| format!("{name} is on one side only")).or(twice);
    let same = differs.is_none();
    cases.equal(FILE, &format!("{kind}.names"), differs);
    if !same {
        return Ok(());
    }
    let decay = LayerDecay { numbering, depths, decay: number(&table["layer_decay"])? };
    let weight_decay = rows.iter().map(|row| row.weight_decay).fold(0.0, f64::max);
    let rank = |name: &str| parameters.iter().find(|(n, _)| n == name).map_or(0, |(_, shape)| shape.len());
    let mut column =
        |what: &str, ours: &dyn Fn(&Row<'_>) -> f64, theirs: &dyn Fn(&Row<'_>) -> f64, tolerance| {
            let of = |f: &dyn Fn(&Row<'_>) -> f64| rows.iter().map(f).collect::<Vec<_>>();
            cases.compare(FILE, &format!("{kind}.{what}"), &of(ours), &of(theirs), tolerance);
        };
    column("layer_id", &|r| decay.layer(r.name) as f64, &|r| r.layer, Tolerance::EXACT);
    column("lr_scale", &|r| decay.scale(r.name), &|r| r.lr_scale, POWER);
    let ours = |r: &Row<'_>| if decays(r.name, rank(r.name)) { weight_decay } else { 0.0 };
    column("weight_decay", &ours, &|r| r.weight_decay, Tolerance::EXACT);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn groups_match() {
        crate::tests::assert_file_passes(super::FILE);
    }
}
