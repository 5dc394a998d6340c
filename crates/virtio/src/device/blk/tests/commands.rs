//! Commands of a single chain: refused, exchanged, given up.

use super::*;

/// A chain that is ready to read sector 1.
fn read(driver: &VirtioBlk) -> Spare<'_, Blk> {
    let mut spare = driver.device.take().unwrap();
    let chain = spare.chain().unwrap();
    chain.memory_mut().prepare(RequestType::In, 1);
    chain.memory_mut().data.resize(512).unwrap();
    chain
        .link(|memory, segments| {
            segments.device_reads(&memory.header);
            segments.device_writes(&memory.data);
            segments.device_writes(&memory.response);
        })
        .unwrap();
    spare
}

#[ktest]
fn a_chain_that_was_exchanged_for_another_device_s_takes_nobody_s_answer() {
    let disks = [(); 2].map(|()| FakeDisk::new(Modern, all_disk_features(), 64));
    let [one, other] = disks.each_ref().map(|disk| disk.driver(&Options::default()).unwrap());
    disks[0].plan_faults([Some(Fault::Lose)]);
    let (mine, mut exchanged) = (read(&one), read(&one));
    // Of the other device's chains, the one with the same number as `mine`.
    let mut foreign = read(&other);
    core::mem::swap(exchanged.chain().unwrap(), foreign.chain().unwrap());
    let in_flight = mine.send().unwrap();
    let refused = exchanged.send().map(|_| ()).unwrap_err();
    assert_eq!(refused, DeviceError::Chain(ChainError::WrongQueue));
    let chain = disks[0].lost().remove(0);
    disks[0].forget_lost();
    disks[0].transport.with_queue(|queue| queue.give_back(chain.head, 513));
    assert!(in_flight.wait().is_ok());
}

#[ktest]
fn the_chain_of_a_call_that_was_given_up_is_good_again() {
    for answered_before in [false, true] {
        let features = all_disk_features() | Features::RING_INDIRECT_DESC.bits();
        let disk = FakeDisk::new(Modern, features, 64);
        let driver = disk.driver(&Options::default()).unwrap();
        driver.read_block(1, &mut [0; 512]).unwrap();
        disk.plan_faults([Some(Fault::Lose)]);
        let in_flight = read(&driver).send().unwrap();
        let chain = disk.lost().remove(0);
        disk.forget_lost();
        disk.transport.with_queue(|queue| {
            queue.scribble_table(&chain, |entries| entries.fill([0xa5; 16]));
            queue.give_back(chain.head, 0);
        });
        if answered_before {
            assert_eq!(driver.poll(), 1);
            drop(in_flight);
        } else {
            drop(in_flight);
            assert_eq!(driver.poll(), 1);
        }
        assert_eq!(driver.read_block(1, &mut [0; 512]), Ok(()));
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_chain_that_is_refused_is_to_spare_again() {
    everywhere(|_, driver| {
        let mut spare = read(driver);
        spare.chain().unwrap().memory_mut();
        let refused = spare.send().map(|_| ()).unwrap_err();
        assert_eq!(refused, DeviceError::Chain(ChainError::NotLinked));
    });
}
