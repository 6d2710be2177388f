//! Files in, records out: formats, mappings and the data that ships.

#[cfg(test)]
mod formats;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod mappings;
#[cfg(test)]
mod shipped;
