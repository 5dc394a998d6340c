//! Builds trees to look at.

use vm_fdt::FdtWriter;

use super::*;

const WANTED: &str = "test,wanted";
pub(super) const PLIC_PHANDLE: u32 = 3;
pub(super) const PIN_END: u32 = 96;

/// A node of a tree to be built.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) properties: Vec<(&'static str, Vec<u8>)>,
    pub(super) children: Vec<Node>,
}

pub(super) fn node(name: &str) -> Node {
    Node { name: name.to_owned(), properties: Vec::new(), children: Vec::new() }
}

impl Node {
    pub(super) fn bytes(mut self, name: &'static str, value: &[u8]) -> Self {
        self.properties.push((name, value.to_vec()));
        self
    }

    pub(super) fn cells(self, name: &'static str, cells: &[u32]) -> Self {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &bytes)
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Node>) -> Self {
        self.children.extend(children);
        self
    }

    fn write(&self, writer: &mut FdtWriter) {
        let handle = writer.begin_node(&self.name).unwrap();
        for (name, value) in &self.properties {
            writer.property(name, value).unwrap();
        }
        for child in &self.children {
            child.write(writer);
        }
        writer.end_node(handle).unwrap();
    }

    /// The blob of the tree that has this node as its root.
    pub(super) fn blob(&self) -> Vec<u8> {
        let mut writer = FdtWriter::new().unwrap();
        self.write(&mut writer);
        writer.finish().unwrap()
    }

    /// Lists the wanted nodes of the tree that has this node as its root.
    pub(super) fn list(&self) -> Vec<Result<DeviceNode, NodeError>> {
        devices(&Fdt::new(&self.blob()).unwrap(), WANTED)
    }

    /// The only wanted node of the tree, which must be sound.
    pub(super) fn only(&self) -> DeviceNode {
        let [Ok(device)] = &self.list()[..] else { panic!("{:?}", self.list()) };
        device.clone()
    }

    /// The fault of the only wanted node of the tree.
    pub(super) fn fault(&self) -> NodeFault {
        let [Err(error)] = &self.list()[..] else { panic!("{:?}", self.list()) };
        error.fault.clone()
    }
}

/// A root with two cells for addresses and sizes, a PLIC, and these nodes.
pub(super) fn root(children: impl IntoIterator<Item = Node>) -> Node {
    let plic = node("plic@c000000")
        .bytes("compatible", b"sifive,plic-1.0.0\0riscv,plic0\0")
        .cells("phandle", &[PLIC_PHANDLE])
        .cells("riscv,ndev", &[PIN_END])
        .cells("#interrupt-cells", &[1]);
    node("")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .children([plic])
        .children(children)
}

/// A node that is wanted.
pub(super) fn wanted() -> Node {
    node("wanted@1000").bytes("compatible", b"test,other\0test,wanted\0")
}

/// A wanted node below [`root`] with a sound range.
pub(super) fn sound() -> Node {
    wanted().cells("reg", &[0, 0x1000, 0, 0x1000])
}
