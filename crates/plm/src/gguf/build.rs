//! Writes small GGUF files for tests.

/// A file in the making. Methods append; [`Builder::finish`] gives the bytes.
pub(crate) struct Builder {
    version: u32,
    keys: (u64, Vec<u8>),
    tensors: (u64, Vec<u8>),
    data: Vec<u8>,
}

const ALIGN: usize = 32;

impl Builder {
    pub(crate) fn new() -> Self {
        Self { version: 3, keys: (0, Vec::new()), tensors: (0, Vec::new()), data: Vec::new() }
    }

    pub(crate) fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// A pair with its type number and raw value.
    pub(crate) fn raw(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.keys.0 += 1;
        self.keys.1.extend(text(key));
        self.keys.1.extend(kind.to_le_bytes());
        self.keys.1.extend(value);
        self
    }

    pub(crate) fn str(self, key: &str, value: &str) -> Self {
        self.raw(key, 8, &text(value))
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key, 4, &value.to_le_bytes())
    }

    pub(crate) fn bool(self, key: &str, value: bool) -> Self {
        self.raw(key, 7, &[value.into()])
    }

    /// An array of `count` elements of type `kind` with the raw bytes `elements`.
    pub(crate) fn array(self, key: &str, kind: u32, count: u64, elements: &[u8]) -> Self {
        self.raw(key, 9, &[&kind.to_le_bytes(), count.to_le_bytes().as_slice(), elements].concat())
    }

    pub(crate) fn strings(self, key: &str, values: &[&str]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
        self.array(key, 8, values.len() as u64, &elements)
    }

    pub(crate) fn i32s(self, key: &str, values: &[i32]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(key, 5, values.len() as u64, &elements)
    }

    /// A tensor at the next aligned place.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, data: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(ALIGN), 0);
        let offset = self.data.len() as u64;
        self.data.extend(data);
        self.entry(name, shape, kind, offset)
    }

    /// An entry of the tensor table without data.
    pub(crate) fn entry(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors.0 += 1;
        self.tensors.1.extend(text(name));
        self.tensors.1.extend((shape.len() as u32).to_le_bytes());
        self.tensors.1.extend(shape.iter().flat_map(|dim| dim.to_le_bytes()));
        self.tensors.1.extend(kind.to_le_bytes());
        self.tensors.1.extend(offset.to_le_bytes());
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend(self.tensors.0.to_le_bytes());
        file.extend(self.keys.0.to_le_bytes());
        file.extend(self.keys.1);
        file.extend(self.tensors.1);
        if !self.data.is_empty() {
            file.resize(file.len().next_multiple_of(ALIGN), 0);
            file.extend(self.data);
        }
        file
    }
}

/// A string as the format stores it.
fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}
