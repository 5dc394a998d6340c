//! The waiting calls and the submitted requests are two ways to one and the same chain.

use super::*;
use crate::testing::fake::Received;

/// The requests that the device receives for a call that waits, and for one that is submitted.
fn both(
    disk: &FakeDisk,
    driver: &VirtioBlk,
    wait: impl FnOnce(),
    request: Box<Request>,
) -> [Vec<Received>; 2] {
    disk.take_requests();
    wait();
    let waited = disk.take_requests();
    let done = CompletionQueue::new(1);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    assert_eq!(next(&done, driver).result, Ok(()));
    [waited, disk.take_requests()]
}

#[ktest]
fn the_waiting_calls_send_what_submitted_requests_send() {
    everywhere(|disk, driver| {
        for sectors in [1, 8] {
            let (sector, bytes) = (5, sectors * SECTOR_SIZE);
            let data = pattern(sectors, 1);
            let header_and_status = |data| vec![(16, false), data, (1, true)];

            let write = Request::new(Operation::Write, sector, vec![buffer(sectors, &data)]);
            let wait = || driver.write_block(sector, &data).unwrap();
            let [waited, submitted] = both(disk, driver, wait, write);
            assert_eq!(waited, submitted);
            let segments = header_and_status((bytes as u32, false));
            assert_eq!(waited, [Received { header: (1, sector), segments }]);

            let read = Request::new(Operation::Read, sector, vec![buffer(sectors, &[])]);
            let mut found = vec![0; bytes];
            let wait = || driver.read_block(sector, &mut found).unwrap();
            let [waited, submitted] = both(disk, driver, wait, read);
            assert_eq!(waited, submitted);
            let segments = header_and_status((bytes as u32, true));
            assert_eq!(waited, [Received { header: (0, sector), segments }]);
            assert_eq!(found, data);
        }
    });
}
