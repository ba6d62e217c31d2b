//! Reading the objects of the group's files.

use nalgebra::DMatrix;
use serde_json::{Map, Value};
use transferscope_study::alignment::Rows;

use super::TENSORS;
use crate::{Array, Cases, Folder, Problem, Tensors, Tolerance, number, numbers};

pub type Object = Map<String, Value>;

/// Most rows or columns of an input: what is compared is small.
const SIDE_MAX: usize = 4096;

pub fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Problem> {
    value.as_object().ok_or_else(|| Problem::new(format!("{what} is no JSON object")))
}

pub fn field<'a>(object: &'a Object, key: &str) -> Result<&'a Value, Problem> {
    object.get(key).ok_or_else(|| Problem::new(format!("there is no {key}")))
}

pub fn list(object: &Object, key: &str) -> Result<Vec<f64>, Problem> {
    numbers(field(object, key)?)
}

pub fn scalar(object: &Object, key: &str) -> Result<f64, Problem> {
    number(field(object, key)?)
}

pub fn tensors(folder: &Folder) -> Result<std::rc::Rc<Tensors>, Problem> {
    folder.tensors(TENSORS)
}

/// A tensor with two sides.
pub fn array(tensors: &Tensors, name: &str) -> Result<(Array, usize, usize), Problem> {
    let array = tensors.get(name)?;
    match array.shape[..] {
        [n, d] if n > 0 && d > 0 && n <= SIDE_MAX && d <= SIDE_MAX && array.data.len() == n * d => {
            Ok((array, n, d))
        }
        _ => Err(Problem::new(format!(
            "{name} has the shape {:?}; rows and columns were expected",
            array.shape
        ))),
    }
}

pub fn rows(tensors: &Tensors, name: &str) -> Result<Rows, Problem> {
    let (array, _, dim) = array(tensors, name)?;
    Rows::new(dim, array.data).map_err(|e| Problem::new(format!("{name}: {e}")))
}

pub fn matrix(tensors: &Tensors, name: &str) -> Result<DMatrix<f64>, Problem> {
    let (array, n, d) = array(tensors, name)?;
    Ok(DMatrix::from_row_slice(n, d, &array.data))
}

/// Whole numbers from 0 to below `most`.
pub fn places(values: &[f64], most: usize, what: &str) -> Result<Vec<usize>, Problem> {
    values
        .iter()
        .map(|v| {
            let whole = v.fract() == 0.0 && (0.0..most as f64).contains(v);
            whole.then_some(*v as usize).ok_or_else(|| {
                Problem::new(format!("{what} holds {v}; whole numbers from 0 to below {most} were expected"))
            })
        })
        .collect()
}

/// Where to tell comparisons of one file.
pub struct Told<'a> {
    pub file: &'a str,
    pub cases: &'a mut Cases,
}

impl Told<'_> {
    /// One number against a value of the file; what is undefined here is NaN there.
    pub fn one(
        &mut self,
        name: &str,
        ours: impl Into<Option<f64>>,
        theirs: &Value,
        tolerance: Tolerance,
    ) -> Result<(), Problem> {
        self.many(name, &[ours.into().unwrap_or(f64::NAN)], &[number(theirs)?], tolerance);
        Ok(())
    }

    pub fn many(&mut self, name: &str, ours: &[f64], theirs: &[f64], tolerance: Tolerance) {
        self.cases.compare(self.file, name, ours, theirs, tolerance);
    }

    /// A part that cannot be compared.
    pub fn problem(&mut self, name: &str, problem: &Problem) {
        self.cases.problem(self.file, &Problem::new(format!("{name}: {problem}")));
    }

    /// A key that no check knows.
    pub fn unknown(&mut self, name: &str) {
        self.cases.unknown(self.file, name);
    }
}
