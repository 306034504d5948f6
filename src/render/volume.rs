//! Volume XML: what libvirt makes a volume from.

use serde::Serialize;

use super::{Result, text};
use crate::hypervisor::{VolumeFormat, VolumeRequest};

#[derive(Serialize)]
struct Values<'a> {
    name: &'a str,
    capacity: u64,
    format: &'a str,
    backing: Option<&'a str>,
}

/// The XML of a volume to be made: sparse, over the volume at `backing` if
/// there is one.
///
/// # Errors
/// The template names something that is not there.
pub fn volume_xml(request: &VolumeRequest, backing: Option<&str>) -> Result<String> {
    let format = match request.format {
        VolumeFormat::Raw => "raw",
        VolumeFormat::Qcow2 => "qcow2",
    };
    let name = &request.name;
    text::VOLUME.render(&Values { name, capacity: request.capacity, format, backing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_name_what_they_lie_on() {
        let request = VolumeRequest {
            pool: "default".to_owned(),
            name: "a&b".to_owned(),
            capacity: 1 << 30,
            format: VolumeFormat::Qcow2,
            backing: Some("base".to_owned()),
        };
        insta::assert_snapshot!(volume_xml(&request, Some("/images/base")).unwrap(), @r#"
        <volume>
          <name>a&amp;b</name>
          <capacity unit="bytes">1073741824</capacity>
          <allocation unit="bytes">0</allocation>
          <target>
            <format type="qcow2"/>
          </target>
          <backingStore>
            <path>/images/base</path>
            <format type="qcow2"/>
          </backingStore>
        </volume>
        "#);
        assert!(!volume_xml(&request, None).unwrap().contains("backingStore"));
    }
}
