//! A disk as QEMU builds it: block nodes one above the other, and the device on top.

use std::path::Path;

/// A stack of block nodes, from the bottom up. The nodes are called `node0`, `node1` and so on.
#[derive(Clone, Debug)]
pub struct Stack {
    options: Vec<String>,
    prefix: String,
    nodes: usize,
}

impl Stack {
    /// A file on the host at the bottom.
    pub fn file(path: &Path) -> Self {
        Self::bottom(&format!("driver=file,filename={}", escaped(path)))
    }

    /// Any node at the bottom.
    pub fn bottom(node: &str) -> Self {
        Self::named("node", node)
    }

    /// Any node at the bottom, and names that begin with `prefix`, for machines with several disks.
    pub fn named(prefix: &str, node: &str) -> Self {
        let mut stack = Self { options: Vec::new(), prefix: prefix.to_owned(), nodes: 0 };
        stack.push(node);
        stack
    }

    /// With an object that a node refers to.
    pub fn object(mut self, object: &str) -> Self {
        self.options.extend(["-object".to_owned(), object.to_owned()]);
        self
    }

    /// With one node more: `driver=raw`, for example, with further options behind commas.
    pub fn under(mut self, node: &str) -> Self {
        // This driver alone calls what lies below it by another name.
        let below = if node.starts_with("driver=blkdebug") { "image" } else { "file" };
        self.push(&format!("{node},{below}={}", self.top()));
        self
    }

    /// The name of the uppermost node.
    pub fn top(&self) -> String {
        format!("{}{}", self.prefix, self.nodes - 1)
    }

    /// QEMU's options for a block device with the serial number `lab` on top, with further properties
    /// behind commas.
    pub fn device(self, properties: &str) -> Vec<String> {
        self.device_without_serial(&format!(",serial=lab{properties}"))
    }

    /// The same without a serial number.
    pub fn device_without_serial(mut self, properties: &str) -> Vec<String> {
        let device = format!("virtio-blk-device,drive={}{properties}", self.top());
        self.options.extend(["-device".to_owned(), device]);
        self.options
    }

    fn push(&mut self, node: &str) {
        let node = format!("{node},node-name={}{}", self.prefix, self.nodes);
        self.options.extend(["-blockdev".to_owned(), node]);
        self.nodes += 1;
    }
}

/// A path as a value in QEMU's options, where a comma ends a value unless it is doubled.
pub fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_on_each_other() {
        let stack = Stack::file(Path::new("/a,b")).under("driver=blkdebug,x=y").under("driver=raw");
        assert_eq!(stack.top(), "node2");
        assert_eq!(
            stack.device(",werror=stop"),
            [
                "-blockdev",
                "driver=file,filename=/a,,b,node-name=node0",
                "-blockdev",
                "driver=blkdebug,x=y,image=node0,node-name=node1",
                "-blockdev",
                "driver=raw,file=node1,node-name=node2",
                "-device",
                "virtio-blk-device,drive=node2,serial=lab,werror=stop",
            ]
        );
    }
}
