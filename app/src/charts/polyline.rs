//! Lines in pixels: clipped to the plot, and cut into dashes.

/// A place in CSS pixels.
pub type Px = (f64, f64);

/// A rectangle in CSS pixels, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub fn contains(&self, (x, y): Px) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

/// The part of a segment within a rectangle (Liang and Barsky).
fn clip_segment(a: Px, b: Px, rect: Rect) -> Option<(Px, Px)> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (p, q) in
        [(-dx, a.0 - rect.left), (dx, rect.right - a.0), (-dy, a.1 - rect.top), (dy, rect.bottom - a.1)]
    {
        if p == 0.0 {
            if q < 0.0 {
                return None;
            }
        } else if p < 0.0 {
            from = from.max(q / p);
        } else {
            to = to.min(q / p);
        }
    }
    (from <= to).then_some(((a.0 + from * dx, a.1 + from * dy), (a.0 + to * dx, a.1 + to * dy)))
}

/// The parts of a line within a rectangle, in order.
pub fn clip(line: &[Px], rect: Rect) -> Vec<Vec<Px>> {
    let mut parts: Vec<Vec<Px>> = Vec::new();
    let mut open = false;
    for pair in line.windows(2) {
        match clip_segment(pair[0], pair[1], rect) {
            Some((a, b)) => {
                match parts.last_mut() {
                    Some(part) if open => part.push(b),
                    _ => parts.push(vec![a, b]),
                }
                open = b == pair[1];
            }
            None => open = false,
        }
    }
    parts
}

/// A line as dashes by a pattern of strokes and gaps; an empty pattern leaves it whole. A line much longer
/// than the picture is wide (a noisy one) stays whole too: dashes would not be seen, only drawn.
pub fn dash(line: &[Px], pattern: &[u32]) -> Vec<Vec<Px>> {
    let length: f64 = line.windows(2).map(|w| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1)).sum();
    if pattern.is_empty() || line.len() < 2 || length > LONGEST_DASHED {
        return vec![line.to_vec()];
    }
    let mut dashes = Vec::new();
    let mut current = vec![line[0]];
    let (mut at, mut left, mut drawing) = (0, f64::from(pattern[0].max(1)), true);
    for pair in line.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        loop {
            let rest = (b.0 - a.0).hypot(b.1 - a.1);
            if rest == 0.0 {
                break;
            }
            if rest < left {
                left -= rest;
                if drawing {
                    current.push(b);
                }
                break;
            }
            let unit = if rest > 0.0 { left / rest } else { 0.0 };
            a = (a.0 + (b.0 - a.0) * unit, a.1 + (b.1 - a.1) * unit);
            if drawing {
                current.push(a);
                dashes.push(std::mem::take(&mut current));
            } else {
                current = vec![a];
            }
            drawing = !drawing;
            at = (at + 1) % pattern.len();
            left = f64::from(pattern[at].max(1));
        }
    }
    if drawing && current.len() > 1 {
        dashes.push(current);
    }
    dashes
}

/// Longest line that is cut into dashes, in pixels.
const LONGEST_DASHED: f64 = 12_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_two_lines() {
        let parts = clip(&[(5.0, 5.0), (15.0, 5.0), (15.0, 8.0), (5.0, 8.0)], BOX);
        assert_eq!(parts, [vec![(5.0, 5.0), (10.0, 5.0)], vec![(10.0, 8.0), (5.0, 8.0)]]);
        assert!(clip(&[(-5.0, -5.0), (-1.0, 20.0)], BOX).is_empty());
        assert_eq!(clip(&[(1.0, 1.0), (2.0, 2.0), (3.0, 1.0)], BOX).len(), 1);
        assert!(clip(&[(1.0, 1.0)], BOX).is_empty());
    }

    #[test]
    fn dashes_have_the_pattern_s_lengths() {
        let dashes = dash(&[(0.0, 0.0), (10.0, 0.0)], &[3, 2]);
        assert_eq!(dashes, [vec![(0.0, 0.0), (3.0, 0.0)], vec![(5.0, 0.0), (8.0, 0.0)]]);
        assert_eq!(dash(&[(0.0, 0.0), (4.0, 0.0)], &[]), [vec![(0.0, 0.0), (4.0, 0.0)]]);
        assert_eq!(dash(&[(0.0, 0.0), (1e6, 0.0)], &[1, 1]).len(), 1);
    }

    #[test]
    fn equal_points_do_not_hang() {
        assert!(dash(&[(1.0, 1.0); 50], &[0, 0]).len() <= 1);
    }
}
