//! The commands of the fake GPU, and its answers.

use alloc::{vec, vec::Vec};
use core::mem;

use super::{super::DeviceMemory, Inner, Resource};

impl Resource {
    /// All that its backing holds.
    pub fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (address, length) in &self.backing {
            let start = bytes.len();
            bytes.resize(start + *length as usize, 0);
            assert!(DeviceMemory::read(*address, &mut bytes[start..]), "the backing is free");
        }
        bytes
    }
}

impl Inner {
    /// Does a command. Returns the type of the answer, and what follows its header.
    pub fn answer(&mut self, kind: u32, request: &[u8]) -> Vec<u8> {
        let field = |i: usize| {
            let at = 24 + 4 * i;
            request.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()))
        };
        let rect = || [0, 1, 2, 3].map(|i| field(i) as usize);
        let done: Result<(), u32> = match kind {
            0x0100 => return self.display_info(),
            0x010a => return self.edid_info(),
            0x0101 => self.create(field(0), field(2), field(3)),
            0x0102 => self.resources.remove(&field(0)).map(|_| ()).ok_or(0x1203),
            0x0103 => self.set_scanout(field(4) as usize, field(5), rect()),
            0x0104 => self.flush(field(4), rect()),
            0x0105 => self.transfer(field(6), rect(), field(4) as usize),
            0x0106 => self.attach(field(0), field(1) as usize, request.get(32..).unwrap_or(&[])),
            0x0107 => self.detach(field(0)),
            _ => Err(0x1200),
        };
        done.map_or_else(|error| error, |()| 0x1100).to_le_bytes().to_vec()
    }

    fn display_info(&self) -> Vec<u8> {
        let mut answer = 0x1101u32.to_le_bytes().to_vec();
        for i in 0..16 {
            let (width, height) = self.displays.get(i).copied().unwrap_or((0, 0));
            for word in [0, 0, width, height, u32::from((width, height) != (0, 0)), 0] {
                answer.extend(word.to_le_bytes());
            }
        }
        answer
    }

    fn edid_info(&self) -> Vec<u8> {
        let mut answer = 0x1104u32.to_le_bytes().to_vec();
        let (size, edid) = &self.edid;
        answer.extend(size.to_le_bytes());
        answer.extend([0; 4]);
        answer.extend(edid);
        answer.resize(4 + 8 + 1024, 0);
        answer
    }

    fn create(&mut self, number: u32, width: u32, height: u32) -> Result<(), u32> {
        if number == 0 || self.resources.contains_key(&number) {
            return Err(0x1203);
        }
        let pixels = vec![0; (width * height * 4) as usize];
        self.resources.insert(number, Resource { width, height, pixels, backing: Vec::new() });
        Ok(())
    }

    fn attach(&mut self, number: u32, count: usize, entries: &[u8]) -> Result<(), u32> {
        let resource = self.resources.get_mut(&number).ok_or(0x1203u32)?;
        if count > 0 && !resource.backing.is_empty() || entries.len() != 16 * count {
            return Err(0x1200);
        }
        let entry = |entry: &[u8]| {
            let address = u64::from_le_bytes(entry[..8].try_into().unwrap());
            (address, u32::from_le_bytes(entry[8..12].try_into().unwrap()))
        };
        resource.backing = entries.chunks(16).map(entry).collect();
        Ok(())
    }

    fn detach(&mut self, number: u32) -> Result<(), u32> {
        let resource = self.resources.get_mut(&number).ok_or(0x1203u32)?;
        match mem::take(&mut resource.backing).is_empty() {
            true => Err(0x1200),
            false => Ok(()),
        }
    }

    fn transfer(&mut self, number: u32, rect: [usize; 4], offset: usize) -> Result<(), u32> {
        let resource = self.resources.get_mut(&number).ok_or(0x1203u32)?;
        let (source, [x, y, width, height]) = (resource.read(), rect);
        let stride = resource.width as usize * 4;
        if x + width > resource.width as usize || y + height > resource.height as usize {
            return Err(0x1205);
        }
        for row in 0..height {
            let (from, to) = (offset + row * stride, (y + row) * stride + x * 4);
            let source = source.get(from..from + width * 4).ok_or(0x1205u32)?;
            resource.pixels[to..to + width * 4].copy_from_slice(source);
        }
        Ok(())
    }

    fn set_scanout(&mut self, output: usize, number: u32, rect: [usize; 4]) -> Result<(), u32> {
        let scanout = self.scanouts.get_mut(output).ok_or(0x1202u32)?;
        if number == 0 {
            *scanout = None;
            return Ok(());
        }
        let resource = self.resources.get(&number).ok_or(0x1203u32)?;
        if rect != [0, 0, resource.width as usize, resource.height as usize] {
            return Err(0x1205);
        }
        let black = vec![0; resource.pixels.len()];
        *scanout = Some((number, (resource.width, resource.height, black)));
        Ok(())
    }

    fn flush(&mut self, number: u32, [x, y, width, height]: [usize; 4]) -> Result<(), u32> {
        let resource = self.resources.get(&number).ok_or(0x1203u32)?;
        let stride = resource.width as usize * 4;
        for (shown, seen) in self.scanouts.iter_mut().flatten() {
            for row in y..y + height {
                let bytes = row * stride + x * 4..row * stride + (x + width) * 4;
                let source = resource.pixels.get(bytes.clone()).ok_or(0x1205u32)?;
                if *shown == number {
                    seen.2[bytes].copy_from_slice(source);
                }
            }
        }
        Ok(())
    }
}
