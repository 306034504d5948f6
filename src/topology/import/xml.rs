//! What the two XML formats and libvirt's other XML have in common.

use roxmltree::{Document, Error, Node, ParsingOptions};

use super::{ImportError, Place};

/// Most nodes of a document; the largest machines' have some ten thousand.
const MAX_NODES: u32 = 1 << 20;
/// Most bytes of one tag: attributes are compared in pairs while they are read.
const MAX_TAG: usize = 8 << 10;

/// How the declaration of an entity begins.
const ENTITY: &str = "<!ENTITY";

/// A document and where in the file it begins.
pub struct Xml<'i> {
    document: Document<'i>,
    before: usize,
}

impl<'i> Xml<'i> {
    /// Reads XML, of which a document type may be named but is not followed.
    ///
    /// # Errors
    /// It is not well-formed, or out of bounds.
    pub fn parse(text: &'i str) -> Result<Self, ImportError> {
        let content = text.trim_start_matches('\u{feff}').trim_start();
        let before = text.len() - content.len();
        if let Some(byte) = long_tag(content) {
            let message = format!("a tag of more than {} KiB", MAX_TAG >> 10);
            return Err(ImportError::new(message).at(Place::Byte(before + byte)));
        }
        if let Some(byte) = content.find(ENTITY) {
            // Even without nesting they make gigabytes of a small file.
            let message = "an entity is declared, which no description of a machine needs";
            return Err(ImportError::new(message).at(Place::Byte(before + byte)));
        }
        let options = ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..<_>::default() };
        let document = Document::parse_with_options(content, options).map_err(|error| {
            // roxmltree ends its messages with the place, if it knows one.
            let message = error.to_string();
            let (line, column) = (error.pos().row as usize, error.pos().col as usize);
            let lines = text.get(..before).unwrap_or_default().matches('\n').count();
            let message = message.split(" at ").next().unwrap_or(&message);
            let place = match error {
                Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
                    Place::Byte(text.trim_end().len())
                }
                _ => Place::Line(line + lines, column),
            };
            ImportError::new(format!("not XML: {message}")).at(place)
        })?;
        Ok(Self { document, before })
    }

    /// The outermost element.
    #[must_use]
    pub fn root(&self) -> Node<'_, 'i> {
        self.document.root_element()
    }

    /// The byte of the file at which an element begins.
    #[must_use]
    pub fn offset(&self, node: Node<'_, '_>) -> usize {
        self.before + node.range().start
    }

    /// An error at an element.
    pub(super) fn wrong(&self, node: Node<'_, '_>, message: impl Into<String>) -> ImportError {
        ImportError::new(message).at(Place::Byte(self.offset(node)))
    }
}

/// Where the first tag begins that is too long, comments included.
fn long_tag(text: &str) -> Option<usize> {
    let mut at = 0;
    for piece in text.split('<') {
        if piece.find('>').unwrap_or(piece.len()) > MAX_TAG {
            return Some(at.max(1) - 1);
        }
        at += piece.len() + 1;
    }
    None
}

/// The child element of that name, in no namespace.
#[must_use]
pub fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The child elements of that name.
pub fn elements<'a, 'i>(
    parent: Option<Node<'a, 'i>>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.into_iter().flat_map(|node| node.children()).filter(move |node| node.has_tag_name(name))
}

/// An attribute that is a number.
#[must_use]
pub fn number<T: std::str::FromStr>(node: Node<'_, '_>, attribute: &str) -> Option<T> {
    node.attribute(attribute)?.trim().parse().ok()
}

/// A size with its `unit` in bytes; libvirt's default unit is `default`.
#[must_use]
pub fn bytes(node: Node<'_, '_>, number: &str, default: &str) -> Option<u64> {
    let factor: u64 = match node.attribute("unit").unwrap_or(default) {
        "B" | "b" | "bytes" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        _ => return None,
    };
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}
