//! What the reference folder has numbers of and nothing here computes, so that anything else that is unknown is told
//! from it.

/// By file, the ends of the names.
const OF_OTHERS: [(&str, &[&str]); 10] = [
    ("models/provicnet_preprocess.safetensors", &["zscore.input", "zscore.gland", "zscore.output"]),
    ("metrics/classification.json", &["percentile_2p5_97p5"]),
    ("metrics/image_quality.safetensors", &["mask"]),
    (
        "metrics/image_quality.json",
        &[
            "mae_masked_formula",
            "nrmse_by_reference_range",
            "ssim2d_per_slice_monai",
            "ssim2d_slices_mean_monai",
        ],
    ),
    (
        "metrics/segmentation.json",
        &[
            "asd",
            "asd_monai",
            "asd_truth_to_prediction",
            "assd_mean_of_means",
            "dice_monai_no_ignore",
            "DiceMetric_mean",
            "DiceMetric_mean_channel",
            "hd",
            "hd_monai",
            "hd95_pooled",
            "iou_monai_ignore_empty",
            "iou_monai_no_ignore",
            "medpy.hd95",
        ],
    ),
    ("physics/degradations.safetensors", &["k_imag", "k_real", "push_linear_splat"]),
    ("physics/degradations.json", &["min_jacobian", "rel_l2_splat_vs_push_dense", "sum_splat"]),
    (
        "analysis/learning_curves.json",
        &[
            "area_log10_n_normalised",
            "first_ema_alpha_0p3",
            "first_of_3_consecutive",
            "first_trailing_mean_5",
            "linear_interpolated_first_crossing",
        ],
    ),
    (
        "analysis/similarity.json",
        &[
            "cca_mean_squared",
            "cka_linear_unbiased",
            "cka_linear_unbiased_pytorch_cka_clamped_0_1",
            "cka_rbf_0.5",
            "cka_rbf_1.0",
            "hsic_linear_biased",
            "hsic_linear_unbiased",
            "procrustes_angular_distance",
            "procrustes_scipy_disparity",
            "rsa_spearman_of_euclidean_rdm",
        ],
    ),
    (
        "analysis/statistics.json",
        &[
            "benjamini_hochberg",
            "bonferroni",
            "bootstrap_ci95_of_mean_difference",
            "cohens_d_paired",
            "kendall_p_asymptotic",
            "kendall_p_auto",
            "kendall_tau_c",
            "meng_p",
            "meng_z",
            "nemenyi_p_scikit_posthocs",
            "pearson_ci95_fisher",
            "pearson_p",
            "percentile_ci95",
            "spearman_p_t_distribution",
            "weighted_tau",
            "wilcoxon",
        ],
    ),
];

/// Whether something unknown, `file/name`, is one of these.
pub fn is_of_others(unknown: &str) -> bool {
    OF_OTHERS.iter().any(|(file, ends)| {
        let name = unknown.strip_prefix(file).filter(|name| name.starts_with('/'));
        let before = |end: &&str| name.and_then(|name| name.strip_suffix(*end));
        ends.iter().filter_map(before).any(|before| before.ends_with(['/', '.']))
    })
}
