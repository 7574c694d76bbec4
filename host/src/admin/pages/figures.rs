//! Numbers as people read them.

/// `1,234,567`.
pub(in crate::admin) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `312 bytes`, `1.5 KiB`, `2.0 MiB`.
pub(in crate::admin) fn bytes(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => tenths(bytes, 1 << 10, "KiB"),
        _ => tenths(bytes, 1 << 20, "MiB"),
    }
}

/// `312 µs`, `1.5 ms`, `24 ms`, `2.0 s`.
pub(in crate::admin) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => tenths(micros, 1_000, "ms"),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => tenths(micros, 1_000_000, "s"),
    }
}

/// `1 delivery`, `2 deliveries`.
pub(in crate::admin) fn of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

fn tenths(number: u64, unit: u64, name: &str) -> String {
    format!("{}.{} {name}", number / unit, number % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([1, 312, 1_536, 5 << 20].map(bytes), ["1 byte", "312 bytes", "1.5 KiB", "5.0 MiB"]);
        assert_eq!([7, 1_540, 24_900, 2_000_000].map(span), ["7 µs", "1.5 ms", "24 ms", "2.0 s"]);
        assert_eq!([1, 2].map(|number| of(number, "run", "runs")), ["1 run", "2 runs"]);
    }
}
