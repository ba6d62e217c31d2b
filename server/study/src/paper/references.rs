//! BibTeX of the methods that the methods paragraph names.

/// The entries, sorted by key.
pub fn references() -> String {
    ENTRIES.join("\n")
}

const ENTRIES: [&str; 6] = [
    "@article{efron1987,\n  author = {Efron, Bradley},\n  title = {Better Bootstrap Confidence Intervals},\n  journal = {Journal of the American Statistical Association},\n  volume = {82},\n  number = {397},\n  pages = {171--185},\n  year = {1987}\n}\n",
    "@article{gretton2012,\n  author = {Gretton, Arthur and Borgwardt, Karsten M. and Rasch, Malte J. and Sch{\\\"o}lkopf, Bernhard and Smola, Alexander},\n  title = {A Kernel Two-Sample Test},\n  journal = {Journal of Machine Learning Research},\n  volume = {13},\n  pages = {723--773},\n  year = {2012}\n}\n",
    "@article{holm1979,\n  author = {Holm, Sture},\n  title = {A Simple Sequentially Rejective Multiple Test Procedure},\n  journal = {Scandinavian Journal of Statistics},\n  volume = {6},\n  number = {2},\n  pages = {65--70},\n  year = {1979}\n}\n",
    "@inproceedings{kornblith2019,\n  author = {Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, Geoffrey},\n  title = {Similarity of Neural Network Representations Revisited},\n  booktitle = {International Conference on Machine Learning},\n  year = {2019}\n}\n",
    "@misc{transfer2026,\n  howpublished = {arXiv:2601.15888},\n  year = {2026}\n}\n",
    "@article{wilcoxon1945,\n  author = {Wilcoxon, Frank},\n  title = {Individual Comparisons by Ranking Methods},\n  journal = {Biometrics Bulletin},\n  volume = {1},\n  number = {6},\n  pages = {80--83},\n  year = {1945}\n}\n",
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_reference_of_the_methods_is_there() {
        let text = super::references();
        for key in ["efron1987", "wilcoxon1945", "holm1979", "gretton2012", "kornblith2019", "transfer2026"] {
            assert!(text.contains(&format!("{{{key},")), "{key}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
