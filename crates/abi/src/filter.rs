//! What a stream callback tells the host to do next.
//!
//! The specification knows [`Action`] alone. The C++ SDK and Envoy have a type for each callback,
//! with more values; a host has to understand those, because compiled C++ plugins return them.
//! The `from_guest` functions read a number the way Envoy's host does, so that no number a
//! guest makes up can open a stream that should wait.

wire_enum! {
    /// Go on, or wait: `proxy_action_t`.
    pub enum Action {
        /// Go on.
        Continue = 0, "CONTINUE";
        /// Wait until the guest resumes or closes the stream.
        Pause = 1, "PAUSE";
    }
}

impl Action {
    /// Reads the result of a TCP callback: everything but 0 waits.
    #[inline]
    pub const fn from_guest(value: u32) -> Self {
        match value {
            0 => Action::Continue,
            _ => Action::Pause,
        }
    }
}

wire_enum! {
    /// What to do after `proxy_on_request_headers` and `proxy_on_response_headers`.
    pub enum FilterHeadersStatus {
        /// Go on.
        Continue = 0, "CONTINUE";
        /// Hold the headers, but still call the guest with the body.
        StopIteration = 1, "STOP_ITERATION";
        /// Go on, and end the stream after the headers.
        ContinueAndEndStream = 2, "CONTINUE_AND_END_STREAM";
        /// Hold everything; buffer the body, and fail when the buffer is full.
        StopAllIterationAndBuffer = 3, "STOP_ALL_ITERATION_AND_BUFFER";
        /// Hold everything; buffer the body, and stop reading when the buffer is full.
        StopAllIterationAndWatermark = 4, "STOP_ALL_ITERATION_AND_WATERMARK";
    }
}

impl FilterHeadersStatus {
    /// Reads the result of a headers callback.
    ///
    /// An unknown number holds everything. So does 1 (which is also [`Action::Pause`]), unless
    /// `allow_stop_iteration` is set: Envoy's `PluginConfig.allow_on_headers_stop_iteration`.
    #[inline]
    pub const fn from_guest(value: u32, allow_stop_iteration: bool) -> Self {
        match Self::from_u32(value) {
            Some(Self::StopIteration) if !allow_stop_iteration => Self::StopAllIterationAndWatermark,
            Some(status) => status,
            None => Self::StopAllIterationAndWatermark,
        }
    }
}

wire_enum! {
    /// What to do after `proxy_on_request_body` and `proxy_on_response_body`.
    pub enum FilterDataStatus {
        /// Go on.
        Continue = 0, "CONTINUE";
        /// Hold and buffer; fail when the buffer is full.
        StopIterationAndBuffer = 1, "STOP_ITERATION_AND_BUFFER";
        /// Hold and buffer; stop reading when the buffer is full.
        StopIterationAndWatermark = 2, "STOP_ITERATION_AND_WATERMARK";
        /// Hold, and drop these bytes.
        StopIterationNoBuffer = 3, "STOP_ITERATION_NO_BUFFER";
    }
}

impl FilterDataStatus {
    /// Reads the result of a body callback. An unknown number is
    /// [`FilterDataStatus::StopIterationNoBuffer`].
    #[inline]
    pub const fn from_guest(value: u32) -> Self {
        match Self::from_u32(value) {
            Some(status) => status,
            None => Self::StopIterationNoBuffer,
        }
    }
}

wire_enum! {
    /// What to do after `proxy_on_request_trailers` and `proxy_on_response_trailers`.
    pub enum FilterTrailersStatus {
        /// Go on.
        Continue = 0, "CONTINUE";
        /// Hold.
        StopIteration = 1, "STOP_ITERATION";
    }
}

impl FilterTrailersStatus {
    /// Reads the result of a trailers callback. An unknown number holds.
    #[inline]
    pub const fn from_guest(value: u32) -> Self {
        match Self::from_u32(value) {
            Some(status) => status,
            None => Self::StopIteration,
        }
    }
}

wire_enum! {
    /// What to do after `proxy_on_request_metadata` and `proxy_on_response_metadata`.
    pub enum FilterMetadataStatus {
        /// Go on. There is no other value: a host goes on whatever the guest returns.
        Continue = 0, "CONTINUE";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_from_headers_holds_everything() {
        let pause = Action::Pause.as_u32();
        assert_eq!(
            FilterHeadersStatus::from_guest(pause, false),
            FilterHeadersStatus::StopAllIterationAndWatermark
        );
        assert_eq!(
            FilterHeadersStatus::from_guest(pause, true),
            FilterHeadersStatus::StopIteration
        );
    }

    #[test]
    fn pause_from_body_and_trailers_holds() {
        let pause = Action::Pause.as_u32();
        assert_eq!(
            FilterDataStatus::from_guest(pause),
            FilterDataStatus::StopIterationAndBuffer
        );
        assert_eq!(
            FilterTrailersStatus::from_guest(pause),
            FilterTrailersStatus::StopIteration
        );
    }

    #[test]
    fn made_up_numbers_never_continue() {
        for value in [5, 6, 100, u32::MAX] {
            assert_eq!(Action::from_guest(value), Action::Pause);
            assert_eq!(
                FilterHeadersStatus::from_guest(value, true),
                FilterHeadersStatus::StopAllIterationAndWatermark
            );
            assert_eq!(
                FilterDataStatus::from_guest(value),
                FilterDataStatus::StopIterationNoBuffer
            );
            assert_eq!(
                FilterTrailersStatus::from_guest(value),
                FilterTrailersStatus::StopIteration
            );
        }
    }
}
