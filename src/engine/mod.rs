//! Engines: configure an instance, form the cluster, check it. One file per
//! engine; everything in a guest goes through its agent ([`guest`]).
