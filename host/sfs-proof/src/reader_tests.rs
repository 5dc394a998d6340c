use crate::{disk::Image, fixtures::FIXTURES, read, reader, start};

#[test]
fn the_reference_s_images_are_read_as_their_tables_say() {
    for fixture in FIXTURES {
        let image = fixture.image().unwrap();
        let reading = reader::read(&image);
        assert_eq!(reading.problems, [], "{}", fixture.name);
        let lines = read::manifest(&reading, &image);
        assert_eq!(read::differences(&lines, fixture.manifest), [""; 0], "{}", fixture.name);
    }
}

/// The problems of an image after a change of some bytes.
fn after(image: &Image, block: u32, offset: usize, bytes: &[u8]) -> Vec<String> {
    let mut image = image.clone();
    image.block_mut(block).unwrap()[offset..offset + bytes.len()].copy_from_slice(bytes);
    reader::read(&image).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_said() {
    let mut image = FIXTURES[0].image().unwrap();
    image.resize(210 * 4096);
    // Block 131 is the inode of /readme.txt, 132 its content, 133 the inode of /rust, 134 its entries.
    let cases: [(u32, usize, &[u8], &str); 12] = [
        (0, 0, &[0], "superblock"),
        (0, 8, &[0], "the superblock counts"),
        (2, 132 / 8, &[0x10], "block 132 of inode Some(131) is marked as free"),
        (2, 200 / 8, &[0xfe], "block 200 is marked as in use and is not"),
        (131, 6, &[0], "counts 0 links and has 1"),
        (131, 6, &[2], "counts 2 links and has 1"),
        (131, 12, &[142], "block 142 belongs to inodes"),
        (131, 12, &[1, 0], "file block 0 of inode 131 names block 1"),
        (131, 8, &[2], "35 bytes in 2 blocks"),
        (134, 260, &[131], "\"..\" of directory 133 names 131"),
        (134, 264, b"x", "entry 1 of directory 133"),
        (134, 520 + 4, b"..\0", "entry 2 of directory 133"),
    ];
    for (block, offset, bytes, expected) in cases {
        let found = after(&image, block, offset, bytes);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn a_new_file_system_is_sound() {
    for blocks in [16, 48, 1200, 40_000] {
        assert_eq!(reader::read(&start::fresh(blocks).unwrap()).problems, []);
    }
}
