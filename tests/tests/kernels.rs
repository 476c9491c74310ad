//! Every kernel on every device equals its f64 reference, on awkward shapes, with garbage in the
//! outputs and guard words behind them.

use pema_device::{Device, run_case, self_test};
use pema_kernels::{Expect, all_cases};
use pema_tests::{block_on, devices};

#[test]
fn every_device_agrees_with_every_reference() {
    for device in devices() {
        let results = block_on(self_test(&device, false));
        let failures: Vec<_> = results.iter().filter_map(|r| r.error.clone()).collect();
        let cases: usize = results.iter().map(|r| r.cases).sum();
        println!("{}: {} kernels, {cases} cases", device.info().name, results.len());
        for r in &results {
            println!("  {:26} {:2} cases, worst error {:5.1} % of the tolerance", r.kernel, r.cases, r.worst * 100.0);
        }
        assert!(failures.is_empty(), "{}:\n{}", device.info().name, failures.join("\n"));
    }
}

#[test]
fn a_wrong_expectation_is_noticed_on_the_device() {
    let device = Device::cpu();
    for mut case in all_cases() {
        for buffer in &mut case.buffers {
            match &mut buffer.after {
                Expect::Floats(v) => v[0] += 1.0 + v[0].abs(),
                Expect::Words(v) => v[0] ^= 1,
                Expect::Unchanged => continue,
            }
            break;
        }
        let outcome = block_on(run_case(&device, &case)).unwrap();
        assert!(outcome.is_err(), "{} {} passed with a wrong expectation", case.kernel.name, case.label);
    }
}
