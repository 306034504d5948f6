//! Functions of libvirt that the crate `virt` does not wrap.
#![expect(unsafe_code, reason = "two calls of libvirt's C interface, on handles that are alive")]

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

fn done(status: c_int) -> Result<(), Error> {
    if status < 0 { Err(Error::last_error()) } else { Ok(()) }
}
