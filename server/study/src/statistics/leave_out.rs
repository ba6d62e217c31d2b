//! What a result owes to single groups.

/// The statistic with each group left out: the group and what remains of the statistic, in the order in which groups
/// first appear. `statistic` gets the places of the things that are left.
pub fn leave_one_group_out(
    groups: &[String],
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Vec<(String, Option<f64>)> {
    let mut names: Vec<&String> = Vec::new();
    for group in groups {
        if !names.contains(&group) {
            names.push(group);
        }
    }
    let without = |name: &str| -> Vec<usize> { (0..groups.len()).filter(|i| groups[*i] != name).collect() };
    names.into_iter().map(|name| (name.clone(), statistic(&without(name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_left_out_whole() {
        let groups = ["a", "b", "a"].map(str::to_owned);
        let values = [1.0, 10.0, 3.0];
        let sum = |places: &[usize]| Some(places.iter().map(|i| values[*i]).sum());
        let left = leave_one_group_out(&groups, sum);
        assert_eq!(left, [("a".to_owned(), Some(10.0)), ("b".to_owned(), Some(4.0))]);
    }
}
