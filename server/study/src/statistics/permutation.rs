//! Orders of a list.

/// Every order once, by Heap's algorithm.
pub(super) fn each_order(mut order: Vec<usize>, visit: &mut dyn FnMut(&[usize])) {
    let n = order.len();
    let mut counters = vec![0; n];
    visit(&order);
    let mut i = 1;
    while i < n {
        if counters[i] < i {
            order.swap(if i % 2 == 0 { 0 } else { counters[i] }, i);
            visit(&order);
            counters[i] += 1;
            i = 1;
        } else {
            counters[i] = 0;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_order_comes_once() {
        let mut seen = BTreeSet::new();
        each_order((0..5).collect(), &mut |order| assert!(seen.insert(order.to_vec())));
        assert_eq!(seen.len(), 120);
        let mut none = 0;
        each_order(Vec::new(), &mut |_| none += 1);
        assert_eq!(none, 1);
    }
}
