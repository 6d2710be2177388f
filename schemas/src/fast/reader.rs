//! Avro's binary encoding, read in place.

use std::collections::BTreeMap;

use model_core::listing::{Attribute, MAX_ATTRIBUTES};

/// Bytes of an encoded `int`, at most.
const INT_BYTES: u32 = 5;
/// Bytes of an encoded `long` whose bits are all its own, at most; Avro allows one more.
const LONG_BYTES: u32 = 9;

/// What is left of a datum. Every method is `None` for what only the general reader judges.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(datum: &'b [u8]) -> Self {
        Self(datum)
    }

    /// `value`, when nothing is left.
    pub(super) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    pub(super) fn int(&mut self) -> Option<i32> {
        i32::try_from(self.zigzag(INT_BYTES)?).ok()
    }

    pub(super) fn long(&mut self) -> Option<i64> {
        self.zigzag(LONG_BYTES)
    }

    pub(super) fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub(super) fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.zigzag(LONG_BYTES)?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    /// A union of null and something: the branch, then the value.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            2 => read(self).map(Some),
            _ => None,
        }
    }

    /// The map of attributes, in blocks without sizes.
    pub(super) fn attributes(&mut self) -> Option<BTreeMap<String, Attribute>> {
        let mut attributes = BTreeMap::new();
        loop {
            let count = usize::try_from(self.long()?).ok()?;
            if count == 0 {
                return Some(attributes);
            }
            if count + attributes.len() > MAX_ATTRIBUTES {
                return None;
            }
            for _ in 0..count {
                let name = self.text()?.to_owned();
                let value = match self.byte()? {
                    0 => Attribute::Number(self.double()?),
                    2 => Attribute::Text(self.text()?.to_owned()),
                    _ => return None,
                };
                attributes.insert(name, value);
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A variable-length number of at most so many bytes.
    #[inline(always)]
    fn zigzag(&mut self, max_bytes: u32) -> Option<i64> {
        let mut bits = 0_u64;
        for place in 0..max_bytes {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 {
                return Some((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        None
    }
}
