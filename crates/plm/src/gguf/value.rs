//! One metadata value as it lies in the file.

/// The element types of the format, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

/// One value. Numbers stay as they lie in the file, little-endian, and are decoded when asked for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number {
        kind: Kind,
        bytes: Vec<u8>,
    },
    Numbers {
        kind: Kind,
        bytes: Vec<u8>,
    },
    Text(String),
    /// Strings one after the other, and where each ends.
    Texts {
        text: String,
        ends: Vec<u32>,
    },
}

/// A decoded number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
    Bool(bool),
}

impl Value {
    /// The number this is, if it is one.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Number { kind, bytes } => Some(kind.decode(bytes)),
            _ => None,
        }
    }

    /// Type and size, and the value of a number: what a message says was found.
    pub(super) fn describe(&self) -> String {
        match (self, self.number()) {
            (Self::Text(_), _) => "a string".to_owned(),
            (Self::Texts { ends, .. }, _) => format!("an array of {} strings", ends.len()),
            (Self::Numbers { kind, bytes }, _) => {
                format!("an array of {} {}", bytes.len() as u64 / kind.size(), kind.name())
            }
            (Self::Number { kind, .. }, Some(Number::Int(x))) => {
                format!("the {} {x}", kind.name())
            }
            (Self::Number { kind, .. }, Some(Number::Float(x))) => {
                format!("the {} {x}", kind.name())
            }
            (Self::Number { .. }, Some(Number::Bool(x))) => format!("the bool {x}"),
            (Self::Number { kind, .. }, None) => kind.name().to_owned(),
        }
    }
}

impl Kind {
    const ALL: [(Self, &'static str, u64); 13] = [
        (Self::U8, "u8", 1),
        (Self::I8, "i8", 1),
        (Self::U16, "u16", 2),
        (Self::I16, "i16", 2),
        (Self::U32, "u32", 4),
        (Self::I32, "i32", 4),
        (Self::F32, "f32", 4),
        (Self::Bool, "bool", 1),
        (Self::String, "string", 8),
        (Self::Array, "array", 12),
        (Self::U64, "u64", 8),
        (Self::I64, "i64", 8),
        (Self::F64, "f64", 8),
    ];

    pub(super) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(id as usize).map(|row| row.0)
    }

    fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Bytes one takes in the file; the least it can take for strings and arrays.
    pub(super) fn size(self) -> u64 {
        Self::ALL[self as usize].2
    }

    /// The number in `raw`, which has `size()` bytes.
    pub(super) fn decode(self, raw: &[u8]) -> Number {
        let mut le = [0; 8];
        le[..raw.len()].copy_from_slice(raw);
        let bits = u64::from_le_bytes(le);
        // Casts to the stored width and back extend the sign.
        match self {
            Self::I8 => Number::Int((bits as i8).into()),
            Self::I16 => Number::Int((bits as i16).into()),
            Self::I32 => Number::Int((bits as i32).into()),
            Self::I64 => Number::Int((bits as i64).into()),
            Self::F32 => Number::Float(f32::from_bits(bits as u32).into()),
            Self::F64 => Number::Float(f64::from_bits(bits)),
            Self::Bool => Number::Bool(bits != 0),
            Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::String | Self::Array => Number::Int(bits.into()),
        }
    }
}
