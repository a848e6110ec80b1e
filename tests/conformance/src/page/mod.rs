//! x
/// x
pub fn page(_: &[crate::Candidate], _: &[()]) -> Result<String, String> {
    Ok(String::new())
}
/// x
pub fn mutations() -> Result<Vec<()>, String> {
    Ok(Vec::new())
}
