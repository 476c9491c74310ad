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
    log.append(&[(1, b"the pairs".to_vec())]).unwrap();
    log.append(&[(5, b"a report of earlier".to_vec())]).unwrap();
    log.append(&[(5, Vec::new())]).unwrap();
    for n in 0..6 {
        log.append(&[(3, adapter(n))]).unwrap();
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
        log.append(&[(3, adapter(n))]).unwrap();
    }
    let (mut log, records) = ProjectLog::open(log.into_storages()).unwrap();
    assert_eq!(records[3], Some(adapter(8)));
    log.append(&[(4, b"more".to_vec())]).unwrap();
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
        log.append(&[(2, b"new".to_vec())]).unwrap();
        let (_, records) = ProjectLog::open(next).unwrap();
        assert_eq!(records[2].as_deref(), Some(b"new".as_slice()), "cut off after {budget} bytes");
        assert_eq!(records[3], expected()[3]);
    }
    assert!(kept[0] > 100 && kept[1] > 10, "both outcomes were seen: {kept:?}");
}

#[test]
fn records_that_belong_together_are_there_together() {
    let disks_of = |budget| disks(Default::default(), budget);
    let group = [(1, b"new pairs".to_vec()), (3, Vec::new()), (4, b"of them".to_vec())];
    let whole = disks_of(usize::MAX);
    let (mut log, _) = ProjectLog::open(whole.clone()).unwrap();
    log.append(&[(3, adapter(1))]).unwrap();
    let before = contents(&whole)[0].len();
    log.append(&group).unwrap();
    let (_, after) = ProjectLog::open(whole.clone()).unwrap();
    let expected = [(1, Some(&group[0].1)), (3, None), (4, Some(&group[2].1))];
    assert!(expected.iter().all(|(kind, payload)| after[*kind].as_ref() == *payload), "{after:?}");
    let bytes = contents(&whole)[0].clone();
    for cut in before..bytes.len() {
        let (_, records) = ProjectLog::open(disks([bytes[..cut].to_vec(), Vec::new()], usize::MAX)).unwrap();
        assert!(records[1].is_none() && records[4].is_none() && records[3] == Some(adapter(1)), "cut at {cut}");
    }
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
