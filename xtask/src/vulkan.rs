//! A Vulkan driver for the tests of the GPU half: any will do, also a software one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, process, workspace};

const PACKAGES: &[&str] = &["mesa-vulkan-drivers", "libvulkan1"];
const LOADER: &str = "libvulkan.so.1";

/// Sees to it that there is a driver, installing one where it may. Having none is a failure in CI and
/// said aloud elsewhere; the answer is whether there is one.
pub(crate) fn ensure() -> Result<bool> {
    let Some(missing) = missing() else {
        println!("Vulkan driver: present");
        return Ok(true);
    };
    println!("Vulkan driver: {missing}");
    let advice = match apt::install(PACKAGES) {
        Ok(true) if self::missing().is_none() => return Ok(true),
        Ok(true) => "the packages are installed, but not where the loader looks: name the driver's .json file \
                     in VK_DRIVER_FILES"
            .to_owned(),
        Ok(false) if apt::exists() => format!("run: {}", apt::line(PACKAGES)),
        Ok(false) => "install your system's Vulkan loader and Mesa's software driver \
                      (Fedora: vulkan-loader mesa-vulkan-drivers; Arch: vulkan-icd-loader vulkan-swrast)"
            .to_owned(),
        Err(e) => format!("installing one failed ({e:#}); once that is mended, run: {}", apt::line(PACKAGES)),
    };
    if workspace::in_ci() {
        bail!("CI tests the GPU half too, but {missing}; {advice}");
    }
    println!("the GPU tests will be SKIPPED, because {missing}; to run them too: {advice}");
    Ok(false)
}

/// What is missing, if anything.
fn missing() -> Option<String> {
    // The other systems bring Metal and DX12.
    if !cfg!(all(unix, not(target_vendor = "apple"))) {
        return None;
    }
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| workspace::variable(name).is_some());
    if !named && !driver_folders().iter().any(|dir| has_driver(dir)) {
        return Some("no Vulkan driver is installed".to_owned());
    }
    (!has_loader()).then(|| format!("the Vulkan loader, {LOADER}, is not installed"))
}

/// Where the Vulkan loader looks for drivers.
fn driver_folders() -> Vec<PathBuf> {
    let list = |name: &str, otherwise: &str| {
        let dirs = workspace::variable(name).unwrap_or_else(|| otherwise.to_owned());
        dirs.split(':').map(PathBuf::from).collect::<Vec<_>>()
    };
    let mut bases = vec![PathBuf::from("/etc"), PathBuf::from("/usr/local/etc"), PathBuf::from("/usr/share")];
    bases.extend(list("XDG_CONFIG_DIRS", "/etc/xdg"));
    bases.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    if let Some(home) = workspace::variable("HOME") {
        bases.push(PathBuf::from(home).join(".local/share"));
    }
    bases.into_iter().map(|base| base.join("vulkan/icd.d")).collect()
}

fn has_driver(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| path.extension().is_some_and(|e| e == "json"))
}

fn has_loader() -> bool {
    // Plain users often lack the folder of ldconfig in their PATH.
    let known = ["ldconfig", "/sbin/ldconfig"];
    let listed = |program| process::output(Command::new(program).arg("-p")).is_some_and(|list| list.contains(LOADER));
    if known.into_iter().any(listed) {
        return true;
    }
    let mut dirs = vec![PathBuf::from("/usr/local/lib")];
    for base in ["/usr/lib", "/lib", "/usr/lib64", "/lib64"].map(PathBuf::from) {
        dirs.push(base.join(format!("{}-linux-gnu", std::env::consts::ARCH)));
        dirs.push(base);
    }
    dirs.extend(workspace::variable("LD_LIBRARY_PATH").iter().flat_map(|list| list.split(':').map(PathBuf::from)));
    dirs.iter().any(|dir| dir.join(LOADER).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_a_json_file() {
        let dir = std::env::temp_dir().join(format!("pema-xtask-icd-{}", std::process::id()));
        assert!(!has_driver(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("README"), "").unwrap();
        assert!(!has_driver(&dir));
        std::fs::write(dir.join("lvp_icd.x86_64.json"), "{}").unwrap();
        assert!(has_driver(&dir));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
