//! Places: how many of something there may be at once, in all and from one address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Origin;
use crate::web::error::ApiError;

/// Places that are taken and given back; clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    total: usize,
    by_address: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Those that hold none are not listed.
    by_address: HashMap<Origin, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    Everywhere,
    /// This address has as many as one may have.
    Address { most: usize },
}

impl Full {
    /// The answer to who asked for one more of `what`.
    pub fn busy(self, what: &str) -> ApiError {
        ApiError::Busy(match self {
            Full::Everywhere => format!("Too many {what} are open or waiting; try again in a few seconds."),
            Full::Address { most } => {
                format!(
                    "Your address has {most} {what} open or waiting, the most that one address may have; close some."
                )
            }
        })
    }
}

impl Places {
    /// So many in all, and so many from one address.
    pub fn new(total: usize, by_address: usize) -> Self {
        Self { total, by_address, taken: Arc::default() }
    }

    /// One more place for an address; it is given back when the place is dropped.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, origin: Origin) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.total {
            return Err(Full::Everywhere);
        }
        let own = taken.by_address.entry(origin).or_default();
        if *own >= self.by_address {
            return Err(Full::Address { most: self.by_address });
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { origin, taken: Arc::clone(&self.taken) })
    }
}

/// A place that is held.
#[derive(Debug)]
pub struct Place {
    origin: Origin,
    taken: Arc<Mutex<Taken>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.by_address.get_mut(&self.origin) {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_places_come_back() {
        let places = Places::new(5, 3);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|ip| Origin::from(ip.parse::<std::net::IpAddr>().unwrap()));
        let mut held: Vec<Place> = (0..3).map(|_| places.take(a).unwrap()).collect();
        assert_eq!(places.take(a).unwrap_err(), Full::Address { most: 3 });
        held.extend((0..2).map(|_| places.take(b).unwrap()));
        assert_eq!(places.take(b).unwrap_err(), Full::Everywhere);
        drop(held);
        assert!(places.taken.lock().unwrap().by_address.is_empty());
        places.take(a).unwrap();
    }
}
