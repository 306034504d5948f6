//! A FAT file system with a few files, byte for byte the same for the same
//! files.

use std::io::{self, Cursor, Write as _};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

/// Every file's time: FAT's first day, so that no clock is asked.
#[derive(Debug)]
struct FirstDay;

impl TimeProvider for FirstDay {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time { hour: 0, min: 0, sec: 0, millis: 0 },
        }
    }
}

/// Makes a file system of `size` bytes that holds `files`.
///
/// # Errors
/// The size is none that FAT can have, or the files do not fit.
pub(super) fn image(
    size: usize,
    label: [u8; 11],
    volume_id: u32,
    files: &[(&str, &str)],
) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let options = FormatVolumeOptions::new().volume_id(volume_id).volume_label(label);
    fatfs::format_volume(Cursor::new(&mut bytes), options)?;
    let options = FsOptions::new().time_provider(&FirstDay);
    let system = FileSystem::new(Cursor::new(&mut bytes), options)?;
    for (name, text) in files {
        let mut file = system.root_dir().create_file(name)?;
        file.truncate()?;
        file.write_all(text.as_bytes())?;
        file.flush()?;
    }
    system.unmount()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn files_come_back_and_bytes_are_the_same_each_time() {
        let files = [("meta-data", "a: 1\n"), ("network-config", "version: 2\n")];
        let make = || image(1 << 20, *b"CIDATA     ", 7, &files).unwrap();
        let mut bytes = make();
        assert_eq!(bytes, make());
        let system = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        assert_eq!(system.volume_id(), 7);
        for (name, text) in files {
            let mut read = String::new();
            system.root_dir().open_file(name).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let long = "x".repeat(1 << 20);
        assert!(image(1 << 20, *b"CIDATA     ", 7, &[("user-data", &long)]).is_err());
        assert!(image(0, *b"CIDATA     ", 7, &[]).is_err());
    }
}
