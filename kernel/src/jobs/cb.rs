//! temporary
use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use block::cache::{Cache, CacheOptions};
use super::{Disk, Failure, Run};
use crate::{arch, cmdline::{CmdlineError, CommandLine}, console::println, task};
pub(super) struct Cb { mode: &'static str, count: u64, tasks: u64, blocks: u64 }
fn us(t: u64) -> u64 { t * 1_000_000 / ostd::arch::tsc_freq() }
impl Run for Cb {
    const NAME: &'static str = "cb";
    const PARAMETERS: &'static [&'static str] = &["mode=seq|rand|hit|view|miss|write|bseq", "count=N", "tasks=N", "blocks=N"];
    type Needs = Disk;
    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let modes = [("seq","seq"),("rand","rand"),("hit","hit"),("miss","miss"),("write","write"),("view","view"),("small","small"),("brand","brand"),("copy","copy")];
        Ok(Self { mode: line.one_of("mode", &modes)?.unwrap_or("seq"), count: line.number_in("count", 1..=1000000)?.unwrap_or(16384), blocks: line.number_in("blocks", 1..=100000)?.unwrap_or(4096), tasks: line.number_in("tasks", 1..=64)?.unwrap_or(8) })
    }
    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let cache = Arc::new(Cache::new(disk.clone(), CacheOptions { blocks: self.blocks as usize, dirty_blocks: 1024 }).unwrap());
        let n = self.count;
        let before = (disk.statistics(), ostd::arch::read_tsc(), arch::instructions());
        match self.mode {
            "seq" => {
                let mut data = vec![0u8; 131072];
                let mut ahead = 0u64;
                for piece in 0..n / 32 {
                    let first = piece * 32;
                    let behind = first + 32;
                    let target = (behind + 256).min(n);
                    if target.saturating_sub(ahead) >= if ahead >= behind {128} else {2} {
                        cache.prefetch(ahead, target - ahead); ahead = target;
                    }
                    for b in 0..32 { cache.read(first + b, 0, &mut data[b as usize * 4096..][..4096]).unwrap(); }
                    crate::progress::made();
                }
            }
            "copy" => {
                // The floor: a bare disk at depth 8 whose data is copied, all of it.
                use block::*; use alloc::collections::VecDeque;
                let mut data = vec![0u8; 131072];
                let depth = self.tasks;
                let mut idle = VecDeque::new();
                for t in 0..depth { let mut r = Request::new(Operation::Read, 0, (0..32).map(|_| Buffer::alloc(4096).unwrap()).collect()); r.tag = t; idle.push_back(r); }
                let done = CompletionQueue::new(depth as usize);
                let reaper = Reaper::new(&done, &**disk);
                let mut next = 0;
                let mut finished = 0;
                while finished < n / 32 {
                    for r in &mut idle { r.sector = next * 256; next += 1; }
                    let want = n / 32;
                    while next > want { idle.pop_back(); next -= 1; }
                    disk.submit_batch(&mut idle, &done).unwrap();
                    let c = reaper.next().unwrap(); c.result.unwrap();
                    let r = c.request.unwrap();
                    if self.blocks != 1 { for (k, b) in r.buffers.iter().enumerate() { b.read(0, &mut data[k * 4096..][..4096]).unwrap(); } }
                    finished += 1; idle.push_back(r); crate::progress::made();
                }
            }
            "rand" | "brand" => {
                let c = cache.clone(); let each = n / self.tasks; let brand = self.mode == "brand"; let d = disk.clone();
                let blocks = cache.capacity() / 4096;
                task::run_in_tasks("cb", self.tasks as usize, move |t| {
                    let mut r = fastrand::Rng::with_seed(t as u64 + 77);
                    let mut data = vec![0u8; 4096];
                    for _ in 0..each { let b = r.u64(0..blocks); if brand { d.read_block(b * 8, &mut data).unwrap() } else { c.read(b, 0, &mut data).unwrap(); } crate::progress::made(); }
                }).unwrap();
            }
            "hit" | "view" | "small" => {
                let mut data = vec![0u8; 4096];
                for b in 0..64 { cache.read(b, 0, &mut data).unwrap(); }
                let i = arch::instructions();
                for k in 0..n { let b = k % 64; match self.mode { "hit" => cache.read(b, 0, &mut data).unwrap(), "small" => cache.read(b, 8, &mut data[..64]).unwrap(), _ => cache.view(b, &mut |d| { core::hint::black_box(d); }).unwrap() } }
                println!("instr per op: {}", (arch::instructions() - i) as f64 / n as f64);
            }
            "miss" => {
                let mut data = vec![0u8; 4096];
                for b in 0..4200 { cache.read(b * 3, 0, &mut data).unwrap(); }
                let i = arch::instructions();
                for b in 4200..4200 + n { cache.read(b * 3, 0, &mut data).unwrap(); }
                println!("instr per miss: {}", (arch::instructions() - i) as f64 / n as f64);
                let i = arch::instructions();
                for b in 4200..4200 + n { disk.read_block(b * 24, &mut data).unwrap(); }
                println!("instr per bare read: {}", (arch::instructions() - i) as f64 / n as f64);
            }
            _ => {
                let data = vec![7u8; 4096];
                for b in 0..n { cache.write(b, 0, &data).unwrap(); crate::progress::made(); }
                cache.flush().unwrap();
            }
        }
        println!("instr total per: {}", (arch::instructions() - before.2) as f64 / n as f64);
        let t = us(ostd::arch::read_tsc() - before.1);
        let s = disk.statistics();
        println!("cb {} count={n} us={t} per_s={:.0} MiB/s={:.0} notifies={} irqs={} looks={} sleeps={}", self.mode, n as f64 * 1e6 / t as f64, n as f64 * 4096.0 / 1048576.0 * 1e6 / t as f64, s.notifications - before.0.notifications, s.interrupts-before.0.interrupts, s.looks-before.0.looks, s.sleeps-before.0.sleeps);
        println!("{:?}", cache.statistics());
        let _: Vec<u8> = vec![];
        Ok(format!(""))
    }
}
