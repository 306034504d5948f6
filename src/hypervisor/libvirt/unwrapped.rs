//! Functions of libvirt that the crate `virt` does not wrap.
#![expect(unsafe_code, reason = "three calls of libvirt's C interface, on handles that are alive")]

use std::os::raw::c_int;

use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

/// Gives up what is being done with a domain; a migration leaves it running where it was.
pub(super) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the pointer is valid for as long as `domain` lives.
    done(unsafe { sys::virDomainAbortJob(domain.as_ptr()) })
}

/// Lets the domain run at the destination of its migration at once; what is left of its
/// memory follows.
pub(super) fn start_post_copy(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the pointer is valid for as long as `domain` lives.
    done(unsafe { sys::virDomainMigrateStartPostCopy(domain.as_ptr(), 0) })
}

/// Pins an I/O thread to the CPUs of a map.
pub(super) fn pin_iothread(
    domain: &Domain,
    number: u32,
    mut map: Vec<u8>,
    flags: u32,
) -> Result<(), Error> {
    // No host has so many CPUs that this fails.
    let length = c_int::try_from(map.len()).unwrap_or(c_int::MAX);
    let bytes = map.as_mut_ptr();
    // SAFETY: the pointer is valid for as long as `domain` lives, and the map has that length
    // and lives until the call returns.
    done(unsafe { sys::virDomainPinIOThread(domain.as_ptr(), number, bytes, length, flags) })
}

fn done(status: c_int) -> Result<(), Error> {
    if status < 0 { Err(Error::last_error()) } else { Ok(()) }
}
