//! Numbers in as few bytes as they need (LEB128), as tables beside machine code hold them. Reading trusts nothing.

/// Writes a number: seven bits a byte, the lowest first.
pub fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes a number that may be negative: small ones of either sign are short.
pub fn write_signed(bytes: &mut Vec<u8>, number: i64) {
    write(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

/// Reads a number from the front of bytes; `None` if none is there, or a larger one than 64 bits hold.
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut rest) = (0, *bytes);
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if *byte < 0x80 {
            *bytes = rest;
            return Some(number);
        }
    }
    None
}

/// Reads a number that may be negative.
pub fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = read(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// Reads a number of 32 bits.
pub fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    read(bytes)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers: Vec<u64> =
            (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 3 << bit]).chain([u64::MAX]).collect();
        for number in numbers {
            let (mut bytes, signed) = (Vec::new(), number as i64);
            write(&mut bytes, number);
            write_signed(&mut bytes, signed);
            write_signed(&mut bytes, signed.wrapping_neg());
            let mut rest = &bytes[..];
            assert_eq!(read(&mut rest), Some(number));
            assert_eq!(read_signed(&mut rest), Some(signed));
            assert_eq!(read_signed(&mut rest), Some(signed.wrapping_neg()));
            assert_eq!(read(&mut rest), None);
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for bytes in
            [&[][..], &[0x80], &[0xff; 9], &[0xff; 20], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]]
        {
            assert_eq!(read(&mut &*bytes), None, "{bytes:?}");
        }
        assert_eq!(read_u32(&mut &[0x80, 0x80, 0x80, 0x80, 0x10][..]), None);
        assert_eq!(read_u32(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Some(u32::MAX));
    }
}
