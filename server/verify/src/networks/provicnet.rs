//! ProViCNet: whole models forward and backward, position tables, pairs, preprocessing, and the names
//! and shapes of full-size models.

pub mod contrast;
pub mod fusion;
mod model;
pub mod positions;
pub mod preprocess;
mod same;
pub mod shapes;
pub mod single;
pub mod state;

#[cfg(test)]
mod tests {
    use crate::tests::assert_file_passes;

    #[test]
    fn position_tables() {
        assert_file_passes("models/dinov2_noreg_posembed.safetensors");
    }

    #[test]
    fn pairs_and_their_costs() {
        assert_file_passes("models/provicnet_contrast.safetensors");
    }

    #[test]
    fn fusion_forward_and_backward() {
        assert_file_passes("models/provicnet_fusion_tiny_io.safetensors");
    }

    #[test]
    fn standardised_and_enlarged_images() {
        assert_file_passes("models/provicnet_preprocess.safetensors");
    }

    #[test]
    fn windows_of_slices() {
        assert_file_passes("models/provicnet_slice_windows.json");
    }

    #[test]
    fn contrastive_form_forward_and_backward() {
        assert_file_passes("models/provicnet_tiny_io.safetensors");
    }

    #[test]
    fn real_image_size() {
        assert_file_passes("models/provicnet_tiny_448_io.safetensors");
    }

    #[test]
    fn modality_token() {
        assert_file_passes("models/provicnet_tiny_modal_io.safetensors");
    }

    #[test]
    fn plain_dinov2_tokens() {
        assert_file_passes("models/provicnet_tiny_nopos_io.safetensors");
    }

    #[test]
    fn ultrasound_form_forward_and_backward() {
        assert_file_passes("models/provicnet_tiny_trus_io.safetensors");
    }

    #[test]
    fn state_dicts_fit_exactly() {
        assert_file_passes("models/provicnet_tiny.safetensors");
        assert_file_passes("models/provicnet_tiny_modal.safetensors");
    }

    #[test]
    fn full_size_names_and_shapes() {
        use super::shapes::{BASE, CONTRASTIVE, CONV3, FUSION, MODAL, PLAIN, ULTRASOUND};
        for file in [BASE, CONTRASTIVE, CONV3, FUSION, MODAL, PLAIN, ULTRASOUND] {
            assert_file_passes(file);
        }
    }
}
