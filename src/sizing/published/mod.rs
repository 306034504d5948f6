//! Published measurements that no parameter was fitted to, against what the profiles
//! say: the error of each is printed.

mod databases;
mod search_and_web;
