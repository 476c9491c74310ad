//! A log of small things in which the last record of a kind counts, in two files of which one is live. When
//! most of it is outdated, what counts is written to the other file, whose last record then says that it is
//! the live one: cut off anywhere before that, the file before stays live.

use pema::Result;
use pema::log::{Log, Storage};

/// Kinds a caller may use: 1 up to this one, which is not his.
pub(crate) const KINDS: usize = 8;
/// Record: which writing of the project this file is; the whole file counts only with it.
const WRITING: u8 = KINDS as u8;
/// Bytes that are never worth tidying.
const SMALL: u64 = 1 << 20;
/// Bytes of a record beside its payload, and of an empty log.
const AROUND: u64 = 9;
const EMPTY: u64 = 8;

/// The last record of every kind; none where there was none or an empty one.
pub(crate) type Records = [Option<Vec<u8>>; KINDS];

/// Both files, open.
#[derive(Debug)]
pub(crate) struct ProjectLog<T> {
    live: Log<T>,
    spare: Log<T>,
    writing: u64,
    /// Bytes of the records that count.
    counts: [u64; KINDS],
}

/// A file as it was found.
struct Found<T> {
    log: Log<T>,
    records: Records,
    writing: u64,
}

impl<T: Storage> ProjectLog<T> {
    /// Opens both files and reads the live one; it is tidied first when most of it is outdated.
    pub(crate) fn open([first, second]: [T; 2]) -> Result<(ProjectLog<T>, Records)> {
        let (first, second) = (read(first)?, read(second)?);
        // A file that never was tidied is writing 0, and so is one that was not finished.
        let (live, spare) = if second.writing > first.writing { (second, first) } else { (first, second) };
        let counts = [0; KINDS];
        let mut log = ProjectLog { live: live.log, spare: spare.log, writing: live.writing, counts };
        for (kind, record) in live.records.iter().enumerate() {
            log.counts[kind] = record.as_ref().map_or(0, |r| size(r));
        }
        if log.untidy() {
            log.tidy(&live.records);
        }
        Ok((log, live.records))
    }

    /// Adds a record; it is durable when this returns. An empty one takes the earlier ones back.
    pub(crate) fn append(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let before = self.counts[usize::from(kind)];
        if payload.is_empty() && before == 0 {
            return Ok(());
        }
        self.live.append(kind, payload)?;
        self.counts[usize::from(kind)] = if payload.is_empty() { 0 } else { size(payload) };
        Ok(())
    }

    /// Whether most of it is outdated and it is large enough for that to matter.
    pub(crate) fn untidy(&self) -> bool {
        self.live.bytes() > SMALL && self.live.bytes() > 2 * (EMPTY + self.counts.iter().sum::<u64>())
    }

    /// The files, to be opened again.
    pub(crate) fn into_storages(self) -> [T; 2] {
        [self.live.into_storage(), self.spare.into_storage()]
    }

    /// Writes what counts to the spare file and makes it the live one. Where that fails, for want of room
    /// above all, everything stays as it was: an untidy project is no reason to stop.
    fn tidy(&mut self, records: &Records) {
        if rewrite(&mut self.spare, records, self.writing + 1).is_err() {
            self.spare.clear().ok();
            return;
        }
        std::mem::swap(&mut self.live, &mut self.spare);
        self.writing += 1;
        // What stays behind has a lower number.
        self.spare.clear().ok();
    }
}

fn rewrite<T: Storage>(file: &mut Log<T>, records: &Records, writing: u64) -> Result<()> {
    file.clear()?;
    for (kind, record) in records.iter().enumerate() {
        if let Some(payload) = record {
            file.append(kind as u8, payload)?;
        }
    }
    file.append(WRITING, &writing.to_le_bytes())
}

fn read<T: Storage>(storage: T) -> Result<Found<T>> {
    let (mut records, mut writing) = (Records::default(), 0);
    let log = Log::open(storage, |kind, payload| {
        if kind == WRITING {
            writing = payload.try_into().map_or(0, u64::from_le_bytes);
        } else if let Some(slot) = records.get_mut(usize::from(kind)) {
            *slot = (!payload.is_empty()).then(|| payload.to_vec());
        }
        Ok(())
    })?;
    Ok(Found { log, records, writing })
}

fn size(payload: &[u8]) -> u64 {
    AROUND + payload.len() as u64
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// A disk that outlives the program. After so many bytes the program is dead: nothing more is written.
    #[derive(Clone, Default)]
    struct Disk {
        bytes: Rc<RefCell<Vec<u8>>>,
        budget: Rc<Cell<usize>>,
    }

    impl Disk {
        fn failed() -> pema::Error {
            let cause = std::io::Error::from(std::io::ErrorKind::StorageFull);
            pema::Error::File { path: "disk".into(), action: "write", cause, advice: "none" }
        }

        /// Pays for `bytes`; says how many of them were still done.
        fn pay(&self, bytes: usize) -> usize {
            let paid = bytes.min(self.budget.get());
            self.budget.set(self.budget.get() - paid);
            paid
        }
    }

    impl Storage for Disk {
        fn name(&self) -> &str {
            "disk"
        }
        fn len(&self) -> Result<u64> {
            Ok(self.bytes.borrow().len() as u64)
        }
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            let from = offset as usize;
            buf.copy_from_slice(&self.bytes.borrow()[from..from + buf.len()]);
            Ok(())
        }
        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
            let paid = self.pay(bytes.len());
            let (mut all, from) = (self.bytes.borrow_mut(), offset as usize);
            let end = all.len().max(from + paid);
            all.resize(end, 0);
            all[from..from + paid].copy_from_slice(&bytes[..paid]);
            if paid == bytes.len() { Ok(()) } else { Err(Disk::failed()) }
        }
        fn truncate(&mut self, len: u64) -> Result<()> {
            if self.pay(1) == 0 {
                return Err(Disk::failed());
            }
            self.bytes.borrow_mut().truncate(len as usize);
            Ok(())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// Two files that pay from the same purse.
    fn disks(contents: [Vec<u8>; 2], budget: usize) -> [Disk; 2] {
        let budget = Rc::new(Cell::new(budget));
        contents.map(|bytes| Disk { bytes: Rc::new(RefCell::new(bytes)), budget: budget.clone() })
    }

    fn contents(disks: &[Disk; 2]) -> [Vec<u8>; 2] {
        disks.clone().map(|d| d.bytes.borrow().clone())
    }

    fn adapter(n: u8) -> Vec<u8> {
        vec![n; 300_000]
    }

    /// A project of many trainings, as it lies on the disk, before it is opened the next time.
    fn grown() -> [Vec<u8>; 2] {
        let disks = disks(Default::default(), usize::MAX);
        let (mut log, _) = ProjectLog::open(disks.clone()).unwrap();
        log.append(1, b"the pairs").unwrap();
        log.append(5, b"a report of earlier").unwrap();
        log.append(5, b"").unwrap();
        for n in 0..6 {
            log.append(3, &adapter(n)).unwrap();
        }
        assert!(log.untidy());
        contents(&disks)
    }

    fn expected() -> Records {
        let mut records = Records::default();
        (records[1], records[3]) = (Some(b"the pairs".to_vec()), Some(adapter(5)));
        records
    }

    #[test]
    fn outdated_records_are_left_behind_and_the_log_goes_on_in_the_other_file() {
        let disks = disks(grown(), usize::MAX);
        let before: usize = contents(&disks).iter().map(Vec::len).sum();
        let (mut log, records) = ProjectLog::open(disks.clone()).unwrap();
        assert_eq!(records, expected());
        assert!(!log.untidy());
        let after: usize = contents(&disks).iter().map(Vec::len).sum();
        assert!(before > 6 * 300_000 && after < 300_100, "{before} and then {after} bytes");
        // A second time round, and back into the first file.
        for n in 0..9 {
            log.append(3, &adapter(n)).unwrap();
        }
        let (mut log, records) = ProjectLog::open(log.into_storages()).unwrap();
        assert_eq!(records[3], Some(adapter(8)));
        log.append(4, b"more").unwrap();
        let (_, records) = ProjectLog::open(disks.clone()).unwrap();
        assert_eq!((&records[1], &records[4]), (&Some(b"the pairs".to_vec()), &Some(b"more".to_vec())));
    }

    #[test]
    fn cut_off_anywhere_nothing_that_counts_is_lost() {
        let grown = grown();
        // All that tidying writes, byte by byte where records begin and end, in steps inside of the large one.
        let whole = 300_200;
        let budgets = (0..200).chain((200..299_900).step_by(9973)).chain(299_900..whole);
        let mut kept = [0, 0];
        for budget in budgets {
            let crashed = disks(grown.clone(), budget);
            let (_, records) = ProjectLog::open(crashed.clone()).unwrap();
            assert_eq!(records, expected(), "what the program saw that died after {budget} bytes");
            let left = contents(&crashed);
            kept[usize::from(left[1].len() > 300_000 && left[0].len() < 100)] += 1;
            // The next visit finds everything, and what it adds is there in the one after.
            let next = disks(left, usize::MAX);
            let (mut log, records) = ProjectLog::open(next.clone()).unwrap();
            assert_eq!(records, expected(), "cut off after {budget} bytes");
            log.append(2, b"new").unwrap();
            let (_, records) = ProjectLog::open(next).unwrap();
            assert_eq!(records[2].as_deref(), Some(b"new".as_slice()), "cut off after {budget} bytes");
            assert_eq!(records[3], expected()[3]);
        }
        assert!(kept[0] > 100 && kept[1] > 10, "both outcomes were seen: {kept:?}");
    }

    #[test]
    fn a_project_of_before_opens_and_small_ones_are_left_alone() {
        let disks = disks(Default::default(), usize::MAX);
        let mut old = Log::open(disks[0].clone(), |_, _| Ok(())).unwrap();
        (0..50).for_each(|_| old.append(2, &[7; 1000]).unwrap());
        let bytes = old.bytes();
        let (log, records) = ProjectLog::open(disks.clone()).unwrap();
        assert_eq!((records[2].as_deref(), log.live.bytes()), (Some([7; 1000].as_slice()), bytes));
    }
}
