//! Sizes as people write them: `500MB`, `10GB`, `2GiB`.

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a size, a whole number with a unit B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as \"10GB\"")]
pub struct SizeError;

/// Reads one number with one unit, in bytes.
///
/// # Errors
/// When the unit is missing or unknown, or the number is not whole or too large.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(SizeError)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| SizeError)?;
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(SizeError),
    };
    number.checked_mul(unit_bytes).ok_or(SizeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit_and_nothing_else() {
        for (text, bytes) in [("0B", 0), ("10GB", 10_000_000_000), ("500MB", 500_000_000), ("2GiB", 2 << 30)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for bad in ["", "10", "GB", "1.5GB", "-1GB", "10 GB", "10gb", "99999999999999999999TB", "99999999TiB"] {
            assert_eq!(parse(bad), Err(SizeError), "{bad}");
        }
    }
}
