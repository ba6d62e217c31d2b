//! BibTeX of the methods that the methods paragraph names.

/// The entries, sorted by key.
pub fn references() -> String {
    ENTRIES.join("\n")
}

const ENTRIES: [&str; 8] = [
    "@article{bonett2000,\n  author = {Bonett, Douglas G. and Wright, Thomas A.},\n  title = {Sample Size Requirements for Estimating {Pearson}, {Kendall} and {Spearman} Correlations},\n  journal = {Psychometrika},\n  volume = {65},\n  number = {1},\n  pages = {23--28},\n  year = {2000}\n}\n",
    "@article{dorfman1992,\n  author = {Dorfman, Donald D. and Berbaum, Kevin S. and Metz, Charles E.},\n  title = {Receiver Operating Characteristic Rating Analysis: Generalization to the Population of Readers and Patients with the Jackknife Method},\n  journal = {Investigative Radiology},\n  volume = {27},\n  number = {9},\n  pages = {723--731},\n  year = {1992}\n}\n",
    "@article{gretton2012,\n  author = {Gretton, Arthur and Borgwardt, Karsten M. and Rasch, Malte J. and Sch{\\\"o}lkopf, Bernhard and Smola, Alexander},\n  title = {A Kernel Two-Sample Test},\n  journal = {Journal of Machine Learning Research},\n  volume = {13},\n  pages = {723--773},\n  year = {2012}\n}\n",
    "@article{holm1979,\n  author = {Holm, Sture},\n  title = {A Simple Sequentially Rejective Multiple Test Procedure},\n  journal = {Scandinavian Journal of Statistics},\n  volume = {6},\n  number = {2},\n  pages = {65--70},\n  year = {1979}\n}\n",
    "@inproceedings{kornblith2019,\n  author = {Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, Geoffrey},\n  title = {Similarity of Neural Network Representations Revisited},\n  booktitle = {International Conference on Machine Learning},\n  year = {2019}\n}\n",
    "@article{satterthwaite1946,\n  author = {Satterthwaite, Franklin E.},\n  title = {An Approximate Distribution of Estimates of Variance Components},\n  journal = {Biometrics Bulletin},\n  volume = {2},\n  number = {6},\n  pages = {110--114},\n  year = {1946}\n}\n",
    "@misc{transfer2026,\n  howpublished = {arXiv:2601.15888},\n  year = {2026}\n}\n",
    "@article{welch1947,\n  author = {Welch, Bernard L.},\n  title = {The Generalization of {Student's} Problem when Several Different Population Variances are Involved},\n  journal = {Biometrika},\n  volume = {34},\n  number = {1--2},\n  pages = {28--35},\n  year = {1947}\n}\n",
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_reference_of_the_methods_is_there() {
        let text = super::references();
        for key in [
            "bonett2000",
            "dorfman1992",
            "satterthwaite1946",
            "welch1947",
            "holm1979",
            "gretton2012",
            "kornblith2019",
            "transfer2026",
        ] {
            assert!(text.contains(&format!("{{{key},")), "{key}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
