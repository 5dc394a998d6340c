//! A GPU's own account of what it has been told: QEMU's trace of it.
//!
//! A picture of a screen cannot tell whether the guest has put it there, nor has it a cursor. The trace has both. QEMU
//! writes a line at once, so that the file can be read while the machine runs.

use std::{fs, io, path::Path};

/// Something that the driver has told the GPU.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// SET_SCANOUT: an output shows a part of a resource.
    Scanout {
        /// The output.
        output: u32,
        /// The resource; 0 if the output shows nothing from here on.
        resource: u32,
        /// Width and height of the part.
        size: (u32, u32),
    },
    /// TRANSFER_TO_HOST_2D: a rectangle of a resource is to be copied from its backing. Which one, is not told.
    Transfer {
        /// The resource.
        resource: u32,
    },
    /// RESOURCE_FLUSH: what is in a rectangle of a resource is to be seen.
    Flush {
        /// The resource.
        resource: u32,
        /// Width and height of the rectangle.
        size: (u32, u32),
        /// Its upper left corner.
        at: (u32, u32),
    },
    /// TRANSFER_TO_HOST_2D or RESOURCE_FLUSH of a rectangle that is not in the resource, and was refused. QEMU tells this
    /// with the option `-d guest_errors`, behind the command itself.
    Outside {
        /// The resource.
        resource: u32,
        /// Width and height of the rectangle.
        size: (u32, u32),
        /// Its upper left corner.
        at: (u32, u32),
    },
    /// UPDATE_CURSOR or MOVE_CURSOR.
    Cursor {
        /// The output.
        output: u32,
        /// The place that the cursor points to.
        at: (u32, u32),
        /// True for MOVE_CURSOR, which keeps the cursor's shape.
        moves: bool,
        /// The resource with the shape; 0 hides the cursor.
        resource: u32,
    },
}

/// QEMU's options for a trace in the file `path`.
pub fn options(path: &Path) -> Vec<String> {
    let traced = [
        "virtio_gpu_cmd_set_scanout",
        "virtio_gpu_cmd_res_xfer_toh_2d",
        "virtio_gpu_cmd_res_flush",
        "virtio_gpu_update_cursor",
    ];
    let mut options: Vec<_> =
        traced.iter().flat_map(|event| ["-trace".to_owned(), (*event).to_owned()]).collect();
    options.extend(["-D".to_owned(), path.to_string_lossy().into_owned()]);
    options
}

/// Reads a trace as far as it has been written.
///
/// # Errors
///
/// There is no such file: QEMU has not started yet, or has no trace backend `log`.
pub fn read(path: &Path) -> io::Result<Vec<Told>> {
    Ok(parse(&String::from_utf8_lossy(&fs::read(path)?)))
}

/// All that the text of a trace, or the beginning of it, tells.
pub fn parse(text: &str) -> Vec<Told> {
    // A line without its end may have lost digits.
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.filter_map(understand).collect()
}

/// The size of what an output shows; `None` if the guest has it show nothing.
pub fn shown(trace: &[Told], output: u32) -> Option<(u32, u32)> {
    let last = trace.iter().rev().find_map(|told| match told {
        Told::Scanout { output: of, resource, size } if *of == output => Some((*resource, *size)),
        _ => None,
    });
    last.and_then(|(resource, size)| (resource != 0).then_some(size))
}

/// Understands a line such as `virtio_gpu_cmd_set_scanout id 0, res 0x1, w 640, h 480, x 0, y 0`. Others are `None`.
fn understand(line: &str) -> Option<Told> {
    if let Some((_, rest)) = line.split_once(" bounds outside resource bounds for resource ") {
        return outside(rest);
    }
    let (event, rest) = line.split_once(' ')?;
    let words: Vec<&str> = rest.split(", ").collect();
    let value = |key: &str| {
        let text = words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix(' '))?;
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            // QEMU prints these as signed.
            None => text.parse::<i64>().ok().map(|number| number as u32),
        }
    };
    let pair = |one, other| Some((value(one)?, value(other)?));
    Some(match event {
        "virtio_gpu_cmd_set_scanout" => {
            Told::Scanout { output: value("id")?, resource: value("res")?, size: pair("w", "h")? }
        }
        "virtio_gpu_cmd_res_xfer_toh_2d" => Told::Transfer { resource: value("res")? },
        "virtio_gpu_cmd_res_flush" => {
            Told::Flush { resource: value("res")?, size: pair("w", "h")?, at: pair("x", "y")? }
        }
        "virtio_gpu_update_cursor" => Told::Cursor {
            output: value("scanout")?,
            at: pair("x", "y")?,
            moves: words.contains(&"move"),
            resource: value("res")?,
        },
        _ => return None,
    })
}

/// Understands the end of a complaint, such as `1: 8 4 100 9 vs 64 48`: resource, rectangle, and size of the resource.
fn outside(text: &str) -> Option<Told> {
    let (rectangle, _) = text.split_once(" vs ")?;
    let words: Result<Vec<i64>, _> =
        rectangle.split([':', ' ']).filter(|word| !word.is_empty()).map(str::parse).collect();
    // QEMU prints these as signed.
    let [resource, x, y, width, height] = words.ok()?.try_into().ok()?;
    let [resource, x, y, width, height] = [resource, x, y, width, height].map(|n: i64| n as u32);
    Some(Told::Outside { resource, size: (width, height), at: (x, y) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
virtio_gpu_cmd_get_display_info 
virtio_gpu_cmd_set_scanout id 0, res 0x1, w 1024, h 768, x 0, y 0
virtio_gpu_cmd_res_xfer_toh_2d res 0x1
virtio_gpu_cmd_res_flush res 0x1, w 16, h 8, x 100, y 200
virtio_gpu_transfer_to_host_2d: transfer bounds outside resource bounds for resource 1: 8 4 100 -9 vs 64 48
virtio_gpu_update_cursor scanout 1, x 10, y 20, update, res 0x1f
virtio_gpu_update_cursor scanout 1, x -1, y 20, move, res 0x0
virtio_gpu_cmd_set_scanout id 1, res 0x2, w 640, h 480, x 0, y 0
virtio_gpu_cmd_set_scanout id 1, res 0x0, w 0, h 0, x 0, y 0
virtio_gpu_cmd_res_flush res 0x1, w 1";

    #[test]
    fn the_trace_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        assert!(read(&path).is_err());
        fs::write(&path, TRACE).unwrap();
        let trace = read(&path).unwrap();
        let scanout = |output, resource, size| Told::Scanout { output, resource, size };
        let cursor = |at, moves, resource| Told::Cursor { output: 1, at, moves, resource };
        assert_eq!(
            trace,
            [
                scanout(0, 1, (1024, 768)),
                Told::Transfer { resource: 1 },
                Told::Flush { resource: 1, size: (16, 8), at: (100, 200) },
                Told::Outside { resource: 1, size: (100, u32::MAX - 8), at: (8, 4) },
                cursor((10, 20), false, 31),
                cursor((u32::MAX, 20), true, 0),
                scanout(1, 2, (640, 480)),
                scanout(1, 0, (0, 0)),
            ]
        );
        assert_eq!(shown(&trace, 0), Some((1024, 768)));
        assert_eq!(shown(&trace, 1), None);
        assert_eq!(shown(&trace[..7], 1), Some((640, 480)));
        assert_eq!(shown(&trace, 2), None);
    }
}
